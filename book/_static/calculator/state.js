/* What the calculator's fields hold, as text: read from the address, written to it, and judged.

   Sets one global, `calculatorState`. The state is a plain object of strings, one for each of FIELDS; nothing here
   touches the page. */
(function (global) {
  "use strict";

  const { rope, ropeCompare, ropeRecord } = global;
  const models = global.ropeAtlas.models;

  const DEFAULT_MODEL = "Llama 3.1 8B";
  const FIELDS = [
    "model", "rotary", "context", "base", "layers", "head_dim", "scaling", "factor", "original", "epsilon", "dtype",
    "beside",
  ];
  const OF_THE_MODEL = ["base", "layers", "head_dim", "scaling", "factor", "original"];
  const OWN_NUMBERS = {
    model: "", rotary: "0", context: "4096", base: "10000", layers: "32", head_dim: "128", scaling: "default",
    factor: "", original: "", epsilon: "0.95", dtype: "float32", beside: "",
  };

  // The retrofits that a reader can type, and the fields that they use. Others come with a model of the atlas.
  const TYPED = {
    default: [], linear: ["factor"], ntk: ["factor"], dynamic: ["factor", "original"], yarn: ["factor", "original"],
    llama3: ["factor", "original"],
  };

  const CHECKS = {
    context: [rope.positive, "context"],
    base: [rope.aboveOne, "base"],
    layers: [rope.whole(1, 10000), "layers"],
    head_dim: [rope.even(2, 1024), "head_dim"],
    factor: [rope.atLeastOne, "factor"],
    original: [rope.aboveOne, "original_max_position_embeddings"],
    epsilon: [rope.openUnit, "epsilon"],
  };
  // The field beside which a complaint of the mathematics stands, where its name is another.
  const FIELD_OF = {
    dim: "head_dim", context_length: "context", effective_base: "base", original_max_position_embeddings: "original",
  };

  const text = (value) => (value === null || value === undefined ? "" : String(value));
  const findModel = (name) => models.find((model) => model.name === name || (name !== "" && model.hf_id === name));

  /* Of a model's rotaries, the one that decides its verdict at its declared context: its place, as text. */
  function deciding(model) {
    if ((model?.rotaries.length ?? 0) < 2) return "0";
    const options = { epsilon: Number(OWN_NUMBERS.epsilon), dtype: OWN_NUMBERS.dtype };
    const { verdict, rotaries } = ropeRecord.judge(model, model.declared_context, options);
    return String(rotaries.findIndex((rotary) => rotary.verdict === verdict));
  }

  /* What the fields hold when a model, or one of its rotaries, has just been chosen. */
  function startingValues(model, rotary = deciding(model)) {
    if (!model) return { ...OWN_NUMBERS };
    const values = { ...OWN_NUMBERS, model: model.name, rotary, context: text(model.declared_context) };
    if (!model.rotaries.length) return { ...values, base: "", layers: "", head_dim: "" };
    const { base, layers, rotary_dim, scaling } = model.rotaries[Number(rotary)];
    return {
      ...values, base: text(base), layers: text(layers.length), head_dim: text(rotary_dim), scaling: scaling.type,
      factor: text(scaling.factor), original: text(scaling.original_max_position_embeddings),
    };
  }

  const ownRotary = (values) => findModel(values.model)?.rotaries[Number(values.rotary)] ?? null;

  /* The model's own scaling, where the fields still ask for its type, else null. */
  function ownScaling(values) {
    const scaling = ownRotary(values)?.scaling;
    return scaling?.type === values.scaling ? scaling : null;
  }

  /* Of the fields `factor` and `original`, those that the retrofit uses and a reader may change. */
  function scalingFields(values) {
    return (ownScaling(values)?.alpha ?? null) === null ? TYPED[values.scaling] ?? [] : [];
  }

  const isUsed = (values, field) => !["factor", "original"].includes(field) || scalingFields(values).includes(field);

  /* The fields in which the values differ from the model's own. */
  function changedFields(values) {
    const start = startingValues(findModel(values.model), values.rotary);
    const isSame = (field) => values[field] === start[field] || numberIn(values[field]) === numberIn(start[field]);
    return OF_THE_MODEL.filter((field) => isUsed(values, field) && !isSame(field));
  }

  /* The values with another retrofit, its fields filled in where they are empty. */
  function withScaling(values, scaling) {
    const changed = { ...values, scaling }, used = scalingFields(changed), model = findModel(values.model);
    if (used.includes("factor") && !changed.factor) changed.factor = scaling === "llama3" ? "8" : "4";
    if (used.includes("original") && !changed.original) {
      const shorter = Math.round(numberIn(values.context) / numberIn(changed.factor));
      changed.original = text(model?.original_context ?? model?.trained_context ?? (shorter > 1 ? shorter : ""));
    }
    return changed;
  }

  // The address.

  function toQuery(values) {
    const model = findModel(values.model), start = startingValues(model, values.rotary), query = new URLSearchParams();
    for (const field of FIELDS) {
      const always = model ? field === "model" : !["model", "rotary", "epsilon", "dtype", "beside"].includes(field);
      const differs = values[field] !== (field === "rotary" ? deciding(model) : start[field]);
      if (isUsed(values, field) && (always || differs)) query.set(field, values[field]);
    }
    return query.toString();
  }

  /* { values, faults, isBlocked }: what an address asks for, one line for each thing in it that is no good, and
     whether what it asks for is unknown, so that there is nothing to show. */
  function fromQuery(search) {
    const query = new URLSearchParams(search), faults = [];
    const known = [...FIELDS, "highlight"]; // which the book's search adds
    const asked = {};
    let isBlocked = false;
    for (const key of new Set(query.keys())) {
      if (!known.includes(key)) {
        faults.push(`The address has an unknown parameter, ${key}: it is ignored.`);
      } else if (query.getAll(key).length > 1) {
        faults.push(`The address must give ${key} once, got ${query.getAll(key).join(" and ")}.`);
        isBlocked = true;
      } else asked[key] = query.get(key).trim();
    }
    delete asked.highlight;
    const choice = (key, names) => {
      if (!(key in asked) || names.includes(asked[key])) return;
      faults.push(`${key} must be one of ${names.join(", ")}, got ${asked[key] || "nothing"}.`);
      isBlocked = true;
      delete asked[key];
    };
    const isEmpty = !Object.keys(asked).length;
    const model = isEmpty ? findModel(DEFAULT_MODEL) ?? models[0] : findModel(asked.model ?? "");
    if (model) asked.model = model.name;
    choice("rotary", model ? model.rotaries.map((_, index) => String(index)) : ["0"]);
    const start = startingValues(model, asked.rotary);
    choice("scaling", scalingChoices({ ...start, ...asked }).map(([type]) => type));
    choice("dtype", rope.DTYPES);
    return { values: { ...start, ...asked }, faults, isBlocked };
  }

  /* [type, name] of the retrofits to choose from: those that can be typed, and the model's own. */
  function scalingChoices(values) {
    const choices = Object.keys(TYPED).map((type) => [type, type === "default" ? "none" : type]);
    const own = ownRotary(values)?.scaling.type;
    return own && !(own in TYPED) ? [...choices, [own, own]] : choices;
  }

  // Judging.

  /* The number that a reader typed, thousands separated or not; NaN if it is none. */
  function numberIn(typed) {
    const plain = /^[1-9]\d{0,2}([,_]\d{3})+(\.\d+)?$/.test(typed) ? typed.replace(/[,_]/g, "") : typed;
    return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
  }

  const IN_TOKENS = ["context", "base", "original"];
  const DOTTED = /^[1-9]\d{0,2}(\.\d{3})+$/; // thousands as much of the world writes them

  /* What to write in place of a text that readers use for numbers and this page does not; empty for any other. */
  function hint(field, typed) {
    const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([km])$/i.exec(typed) ?? [];
    const power = unit?.toLowerCase() === "m" ? 2 : 1;
    if (unit) return `: write ${digits * 1000 ** power} or ${digits * 1024 ** power}`;
    if (/^\d+,\d+$/.test(typed)) return `: write ${typed.replace(",", ".")}`;
    return IN_TOKENS.includes(field) && DOTTED.test(typed) ? `: write ${typed.replaceAll(".", "")}` : "";
  }

  /* { errors, model, verdict, shown, longest, options, beside, compared }: what is wrong, by field, or the verdict on
     the model and, of its rotaries, the one to show (null for a model without any) with the longest contexts of its
     effective base; and the model that it is compared with, if any, with what `ropeCompare` finds. */
  function evaluate(values) {
    const errors = {}, numbers = {}, chosen = findModel(values.model);
    const beside = findModel(values.beside) ?? null;
    if (values.beside && !beside) {
      const error = `beside must be one of the ${models.length} of the atlas, got ${values.beside}`;
      return { errors: { beside: error } };
    }
    if (values.model && !chosen) {
      return { errors: { model: `model must be one of the ${models.length} of the atlas, got ${values.model}` } };
    }
    const rotates = !chosen || chosen.rotaries.length > 0;
    for (const [field, [check, name]] of Object.entries(CHECKS)) {
      if (!isUsed(values, field) || (!rotates && OF_THE_MODEL.includes(field))) continue;
      const typed = values[field].trim();
      try {
        const isDotted = IN_TOKENS.includes(field) && DOTTED.test(typed);
        numbers[field] = rope.need(check, name, isDotted ? NaN : numberIn(typed), typed || "nothing");
      } catch (error) {
        errors[field] = complaint(error) + hint(field, typed);
      }
    }
    if (Object.keys(errors).length) return { errors };
    const options = { epsilon: numbers.epsilon, dtype: values.dtype };
    const model = chosen && !changedFields(values).length ? chosen : describedModel(values, numbers);
    try {
      const verdict = ropeRecord.judge(model, numbers.context, options);
      const index = model === chosen ? Number(values.rotary) : 0;
      const shown = verdict.rotaries[index] ?? null;
      const longest = shown && rope.longestContexts(shown.effective_base, shown.layers.length, options.epsilon);
      const compared = beside && ropeCompare.compare(model, beside, numbers.context);
      return { errors, model, verdict, shown, longest, options, beside, compared };
    } catch (error) {
      const field = FIELD_OF[error.field] ?? error.field;
      return { errors: { [FIELDS.includes(field) ? field : "scaling"]: complaint(error) } };
    }
  }

  /* The line of a complaint; what is not about input is a fault of ours, and not hidden. */
  function complaint(error) {
    if (error instanceof rope.InputError) return error.message;
    throw error;
  }

  /* The model that the fields describe: the reader's own, or one of the atlas with something changed. */
  function describedModel(values, numbers) {
    const own = ownRotary(values), changed = changedFields(values), model = findModel(values.model);
    const started = values.scaling === "llama3" ? { low_freq_factor: 1, high_freq_factor: 4 } : {};
    const scaling = { ...(ownScaling(values) ?? { type: values.scaling, ...started }) };
    for (const [field, key] of [["factor", "factor"], ["original", "original_max_position_embeddings"]]) {
      if (isUsed(values, field)) scaling[key] = numbers[field];
    }
    const counted = Array.from({ length: numbers.layers }, (_, layer) => layer);
    const rotary = {
      layers: own && !changed.includes("layers") ? own.layers : counted,
      kind: own?.kind ?? "full", base: numbers.base, rotary_dim: numbers.head_dim,
      head_dim: Math.max(own?.head_dim ?? 0, numbers.head_dim), window: own?.window ?? null, scaling,
    };
    const another = changed.map((field) => LABELS[field]).join(" and ");
    return {
      name: model ? `${model.name}, with another ${another}` : "my own numbers",
      num_layers: rotary.layers.length, declared_context: model?.declared_context ?? null,
      original_context: model?.original_context ?? scaling.original_max_position_embeddings ?? null,
      rotaries: [rotary], unrotated_layers: [],
      training: describedTraining(values, numbers),
    };
  }

  // What may change of a model without changing the weights that were trained.
  const OF_THE_ROTATION = ["base", "scaling", "factor", "original"];

  /* The training that the fields tell of: that of the model whose rotation they change, or what was typed. */
  function describedTraining(values, numbers) {
    const own = ownRotary(values), changed = changedFields(values), model = findModel(values.model);
    const typed = isUsed(values, "original") && (!model || changed.includes("original"));
    const untold = { shown: null, longest: null };
    if (typed && TYPED[values.scaling]?.includes("original")) {
      const stage = { name: "original", length: numbers.original, base: null };
      return { ...untold, shown: { ...stage, provenance: "declared", source: "typed" } };
    }
    const of = model?.training.shown;
    if (!of || changed.some((field) => !OF_THE_ROTATION.includes(field))) return untold;
    return { ...untold, shown: { ...of, base: of.base ?? own.base } };
  }

  const LABELS = {
    base: "base", layers: "number of layers", head_dim: "head size", scaling: "retrofit", factor: "factor",
    original: "original context",
  };

  global.calculatorState = {
    FIELDS, changedFields, evaluate, findModel, fromQuery, models, scalingChoices, scalingFields, startingValues,
    toQuery, withScaling,
  };
})(globalThis);
