/* The calculator's page: the fields show the state, the results what it comes to, the address both. */
(function () {
  "use strict";

  const { rope, ropeDrawing, ropeFragment, ropeRecord, calculatorState: state } = globalThis;
  const { count } = ropeDrawing;
  const FURTHEST = 2_000_000; // tokens searched for Men et al.'s first negative distance
  const NO_TRAINING = "How far its pairs turned in training: nothing states its length.";
  const SLICE = 30; // milliseconds of that search between two breaths of the page

  const at = (name) => document.getElementById(`calc-${name}`);
  const tokens = (value) => `${count(value)} token${value === 1 ? "" : "s"}`;
  const inputs = Object.fromEntries(state.FIELDS.map((field) => [field, at(field)]));

  let values, notice, isBlocked, evaluated = null;
  let edited = null; // the field that a reader is in the middle of: its keystrokes are one step of the history

  // The fields.

  const items = [
    { value: "", name: "my own numbers", also: "none custom", note: "" },
    ...state.models.map(({ name, hf_id, confidence }) => ({
      value: name, name, also: hf_id ?? "", note: confidence === "memory" ? "from memory" : "",
    })),
  ];
  const picker = globalThis.combobox(inputs.model, at("models"), items, (name) => {
    const model = state.findModel(name), { context, epsilon, dtype, beside } = values;
    const kept = isBlocked ? {} : { epsilon, dtype, beside };
    if (model) edit({ ...state.startingValues(model), ...kept });
    else if (name) edit({ ...values, model: name });
    else edit({ ...state.startingValues(null), ...typable(values), context: context || "4096", ...kept });
  });

  const NO_OTHER = "no other model";
  const others = [{ ...items[0], name: NO_OTHER, also: "none" }, ...items.slice(1)];
  const otherPicker = globalThis.combobox(inputs.beside, at("besides"), others, (name) => {
    edit({ ...values, beside: name });
  });

  /* The numbers of the present model that a reader may go on with as their own. */
  function typable(present) {
    const { base, layers, head_dim, scaling, factor, original } = present;
    if (!base) return {};
    const known = state.scalingChoices({ ...present, model: "" }).some(([type]) => type === scaling);
    return { base, layers, head_dim, ...(known ? { scaling, factor, original } : {}) };
  }

  function fillSelect(select, choices) {
    select.replaceChildren(...choices.map(([value, name]) => new Option(name, value)));
  }

  function showFields() {
    const model = state.findModel(values.model);
    picker.show(values.model || "my own numbers");
    otherPicker.show(values.beside || NO_OTHER);
    fillSelect(inputs.scaling, state.scalingChoices(values));
    fillSelect(inputs.dtype, rope.DTYPES.map((name) => [name, name]));
    fillSelect(inputs.rotary, (model?.rotaries ?? []).map((rotary, index) => {
      const sees = rotary.window === null ? "" : `, window ${count(rotary.window)}`;
      return [String(index), `${rotary.kind}: ${rotary.layers.length} layers${sees}`];
    }));
    at("rotary-field").hidden = (model?.rotaries.length ?? 0) < 2;
    const typed = state.FIELDS.filter((field) => !["model", "beside"].includes(field));
    for (const field of typed) inputs[field].value = values[field];
    for (const field of ["base", "layers", "head_dim", "scaling"]) {
      inputs[field].disabled = model !== undefined && !model.rotaries.length;
    }
    const used = state.scalingFields(values);
    for (const field of ["factor", "original"]) inputs[field].parentElement.hidden = !used.includes(field);
  }

  // From a change to the results.

  /* New values all at once: fields, address and results follow. */
  function edit(changed) {
    change(changed, null);
    showFields();
    showResults();
  }

  /* New values, in the address too: a new step of the history unless the reader goes on typing in one field. */
  function change(changed, field) {
    values = changed;
    [notice, isBlocked] = [[], false];
    const isOneStep = field !== null && field === edited;
    history[isOneStep ? "replaceState" : "pushState"](null, "", `?${state.toQuery(values)}${location.hash}`);
    edited = field;
  }

  function readAddress() {
    ({ values, faults: notice, isBlocked } = state.fromQuery(location.search));
    edited = null;
    showFields();
    showResults();
  }

  at("form").addEventListener("submit", (event) => event.preventDefault());
  at("form").addEventListener("input", ({ target }) => {
    if (target.tagName !== "INPUT") return;
    const field = target.id.replace("calc-", "");
    change({ ...values, [field]: target.value }, field);
    showResults();
  });
  at("form").addEventListener("change", () => (edited = null));
  inputs.dtype.addEventListener("change", ({ target }) => edit({ ...values, dtype: target.value }));
  inputs.scaling.addEventListener("change", ({ target }) => edit(state.withScaling(values, target.value)));
  inputs.rotary.addEventListener("change", ({ target }) => {
    const { context, epsilon, dtype, beside } = values;
    edit({ ...state.startingValues(state.findModel(values.model), target.value), context, epsilon, dtype, beside });
  });
  addEventListener("popstate", readAddress);

  function showResults() {
    const found = isBlocked ? { errors: {} } : state.evaluate(values);
    for (const field of state.FIELDS) {
      const line = document.getElementById(`calc-${field}-error`);
      if (!line) continue;
      line.textContent = found.errors[field] ?? "";
      line.hidden = !found.errors[field];
      inputs[field].setAttribute("aria-invalid", String(field in found.errors));
    }
    at("notice").textContent = notice.join(" ");
    at("notice").hidden = !notice.length;
    showSource();
    evaluated = found.verdict ? found : null;
    cancelSearch();
    at("results").hidden = !found.shown && !("beside" in found.errors);
    at("copied").textContent = "";
    const why = isBlocked ? "the address asks for what is not there" : "see the marked field";
    if (found.verdict) showVerdict(found);
    else at("verdict").replaceChildren(line("p", `No result: ${why}.`));
    if (found.shown) {
      showBounds(found);
      showCompared(found);
      showFragment(found);
      draw();
      search(found);
    }
  }

  function showSource() {
    const model = state.findModel(values.model), changed = model ? state.changedFields(values) : [];
    const notes = [
      [model?.confidence === "memory", "This row is from memory: check it against the model’s own files."],
      [model && model.declared_context === null, "Its files declare no context: type one."],
      [changed.length, `Changed here, so no longer this model: ${changed.map(labelOf).join(", ")}.`],
    ];
    at("source").textContent = notes.flatMap(([applies, note]) => (applies ? [note] : [])).join(" ");
  }

  const labelOf = (field) => document.querySelector(`label[for="calc-${field}"]`).textContent.toLowerCase();

  // The verdict.

  function line(name, text, kind = "") {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  /* Why a base has its verdict, as the end of a sentence. */
  function reason(verdict, base, { bounds, layers, length, dtype }) {
    const wall = `the precision wall of ${dtype}, ${count(bounds.precision)}`;
    const deep = `the depth bound of ${count(layers)} layer${layers === 1 ? "" : "s"}, ${count(bounds.depth)}`;
    return {
      infeasible: `${deep}, is not below ${wall}: no base serves ${tokens(length)}`,
      beyond_precision: `${base} is not below ${wall}`,
      aliased: `${base} is below the aliasing bound of ${tokens(length)}, ${count(bounds.aliasing)}`,
      unstable: `${base} is below the DC-stability bound, ${count(bounds.stability)}`,
      unstable_at_depth: `${base} is below ${deep}`,
      stable: `${base} lies between ${deep}, and ${wall}`,
    }[verdict];
  }

  /* What the bounds see of the rotary that is shown. */
  function setting({ shown, verdict, options }) {
    const length = shown.window === null ? verdict.context : Math.min(shown.window, verdict.context);
    return { bounds: shown.bounds, layers: shown.layers.length, length, dtype: options.dtype };
  }

  function showVerdict(found) {
    const { verdict: whole, shown, model } = found, parts = [];
    if (!shown) {
      const why = "No layer of this model rotates its queries and keys, so that no bound applies.";
      at("verdict").replaceChildren(line("p", whole.verdict, "calc-word"), line("p", why));
      return;
    }
    const seen = setting(found), isScaled = shown.scaling.type !== "default" && shown.scaling.type !== "mrope";
    parts.push(line("p", whole.verdict, `calc-word ${whole.verdict === "stable" ? "inside" : "outside"}`));
    if (whole.rotaries.length > 1) {
      const each = whole.rotaries.map(({ kind, verdict }) => `${kind} layers ${verdict}`).join(", ");
      parts.push(line("p", `The verdict of its worst layers: ${each}. Below are its ${shown.kind} layers.`));
    }
    const named = `${isScaled ? "effective base" : "base"} ${count(shown.effective_base)}`;
    const ofWhich = seen.length < whole.context ? `, of which these layers see ${count(seen.length)}` : "";
    parts.push(line("p", `At ${tokens(whole.context)}${ofWhich}: ${reason(shown.verdict, named, seen)}.`));
    if (isScaled) {
      const without = shown.verdict_without_scaling;
      const also = without === shown.verdict ? "also " : "", why = reason(without, `base ${count(shown.base)}`, seen);
      parts.push(line("p", `Without the retrofit: ${also}${without}, since ${why}.`));
    }
    const still = model.unrotated_layers.length;
    if (still) parts.push(line("p", `${still} of its ${model.num_layers} layers do not rotate.`));
    parts.push(line("p", ropeRecord.recordSentence(whole.record), "calc-record"));
    const training = whole.training.shown;
    const angles = training ? ropeRecord.seenSentence(shown, training, whole.context) : NO_TRAINING;
    parts.push(line("p", angles, "calc-seen"));
    at("verdict").replaceChildren(...parts);
  }

  function showBounds(found) {
    const { shown, longest, options } = found, { bounds, layers, length } = setting(found);
    const base = shown.effective_base, kind = base === shown.base ? "base" : "effective base";
    at("caption").textContent = `For ${tokens(length)} and ${kind} ${count(base)}`;
    const deep = `depth, ${count(layers)} layer${layers === 1 ? "" : "s"}`;
    const rows = [
      ["aliasing", "≥", bounds.aliasing, longest.aliasing, base >= bounds.aliasing],
      ["DC stability", "≥", bounds.stability, longest.stability, base >= bounds.stability],
      [deep, "≥", bounds.depth, longest.depth, base >= bounds.depth],
      [`precision, ${options.dtype}`, "<", bounds.precision, null, base < bounds.precision],
    ];
    at("rows").replaceChildren(...rows.map(([name, relation, bound, context, isMet]) =>
      row(name, exact(bound, `${relation} `), context === null ? line("td", "any") : exact(context), isMet)));
    const men = row("Men et al., distance", line("td", "–"), line("td", "searching …"), null);
    men.id = "calc-men";
    at("rows").append(men);
  }

  /* A cell that shows a number for reading and holds it exactly. */
  function exact(value, before = "") {
    const cell = line("td", `${before}${count(value)}`);
    cell.dataset.value = cell.title = String(value);
    return cell;
  }

  function row(name, bound, context, isMet) {
    const made = document.createElement("tr"), head = line("th", name);
    head.scope = "row";
    const met = isMet === null ? line("td", "") : isMet ? line("td", "yes") : line("td", "no", "broken");
    made.append(head, bound, context, met);
    return made;
  }

  // What to write.

  const UNSAID = "One object of a config.json does not say all of this rotation.";

  function showFragment({ model, shown, verdict }) {
    const written = ropeFragment.fragment(model, verdict.context), chosen = state.findModel(values.model);
    at("fragment-title").textContent = `What transformers 5 reads from a config.json as this, at ${tokens(verdict.context)}`;
    at("fragment").textContent = written ? JSON.stringify(written, null, 2) : UNSAID;
    at("copy-fragment").disabled = !written;
    const command = chosen && ropeFragment.command(chosen.name, verdict.context, shown.scaling.type);
    const anyFile = "rope-lib extend does it for any file and other programs";
    at("fragment-note").textContent = chosen
      ? `${anyFile}, and says what it costs: ${command}`
      : `${anyFile}, and says what it costs.`;
  }

  // Another model beside it.

  /* A spectrum in a few words: "500,000, llama3 × 8". */
  function spectrumInWords(rotary) {
    if (rotary === null) return "do not rotate";
    const { type, factor } = rotary.scaling;
    const scaling = ["default", "mrope"].includes(type) ? "" : `, ${type}${factor ? ` × ${count(factor)}` : ""}`;
    const window = rotary.window === null ? "" : `, window ${count(rotary.window)}`;
    return `base ${count(rotary.base)}${scaling}, ${rotary.rotary_dim} channels${window}`;
  }

  /* Layer numbers as ranges: "0–3, 5". */
  function ranges(layers) {
    const found = [];
    for (const layer of layers) {
      if (found.length && layer === found.at(-1)[1] + 1) found.at(-1)[1] = layer;
      else found.push([layer, layer]);
    }
    const texts = found.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`));
    return (texts.length > 4 ? [...texts.slice(0, 3), "…", texts.at(-1)] : texts).join(", ");
  }

  function showCompared({ model, beside, compared, verdict }) {
    at("compared").hidden = !compared;
    if (!compared) return;
    const word = at("compared-word");
    word.textContent = compared.same ? "the same rotation" : "another rotation";
    word.className = `calc-word ${compared.same ? "inside" : "outside"}`;
    at("compared-caption").textContent = `${model.name} and ${beside.name} over ${tokens(verdict.context)}`;
    at("compared-a").textContent = model.name;
    at("compared-b").textContent = beside.name;
    at("compared-rows").replaceChildren(...compared.groups.map((group) => {
      const { layers, a, b, only_in, partings, phase } = group, made = document.createElement("tr");
      const head = line("th", ranges(layers));
      head.scope = "row";
      const words = (whole, place, name) =>
        only_in && only_in !== name ? "has no such layers" : spectrumInWords(place === null ? null : whole.rotaries[place]);
      const cells = [
        line("td", words(model, a, "A")), line("td", words(beside, b, "B")), line("td", partings.join(", ") || "nothing"),
      ];
      const position = (value) => (value === null ? line("td", "never") : exact(value));
      if (phase === null) cells.push(line("td", "–"), line("td", "–"), line("td", "–"));
      else {
        const worst = line("td", `${phase.worst.toPrecision(3)} rad`);
        worst.dataset.value = worst.title = String(phase.worst);
        cells.push(worst, position(phase.first_beyond_tenth), position(phase.first_beyond_pi));
      }
      made.append(head, ...cells);
      return made;
    }));
  }

  // Men et al.'s first negative distance takes longer: it is searched for while the page stays alive.

  let searching = null;

  function cancelSearch() {
    clearTimeout(searching);
  }

  function search(found) {
    const { length } = setting(found), limit = Math.max(1, Math.min(Math.floor(2 * length), FURTHEST));
    const steps = rope.searchFirstNegative(found.shown.inv_freq, limit);
    const proceed = () => {
      const began = performance.now();
      let step = steps.next();
      while (!step.done && performance.now() - began < SLICE) step = steps.next();
      if (step.done) showFirstNegative(step.value, limit, length);
      else searching = setTimeout(proceed);
    };
    searching = setTimeout(proceed);
  }

  function showFirstNegative(distance, limit, length) {
    const context = distance === null ? line("td", `over ${count(limit)}`) : exact(distance);
    const isKnown = distance !== null || limit >= length, isMet = distance === null || distance > length;
    const made = row("Men et al., distance", line("td", "–"), context, isKnown ? isMet : null);
    made.id = "calc-men";
    at("men").replaceWith(made);
    const upTo = limit === FURTHEST ? "two million tokens" : "twice the context";
    const found = distance === null
      ? `is not negative up to ${tokens(limit)}; the search ends there, at ${upTo}`
      : `first turns negative at a distance of ${tokens(distance)}`;
    at("men-note").textContent = `Men et al.: the similarity of the whole bank ${found}. (rope-lib check gives the smallest base that they allow.)`;
  }

  // Drawing.

  function draw() {
    if (!evaluated?.shown) return;
    const { shown, verdict, options } = evaluated, { bounds, layers, length } = setting(evaluated);
    const zoneWidth = at("zone").clientWidth, inside = shown.verdict === "stable";
    if (!zoneWidth) return;
    const noZone = shown.verdict === "infeasible";
    const where = inside ? "inside the zone" : noZone ? "where there is no zone" : "outside the zone";
    const drifts = { aliasing: 2 * Math.PI, stability: rope.allowedDrift(options.epsilon) };
    drifts.depth = rope.allowedDrift(options.epsilon, layers);
    const place = `${tokens(length)} and base ${count(shown.effective_base)}`;
    at("zone-title").textContent = `${place} lie ${where}`;
    at("zone").replaceChildren(ropeDrawing.zone(zoneWidth, {
      length, layers, drifts, base: shown.base, effective_base: shown.effective_base, wall: bounds.precision,
      dtype: options.dtype,
      description: `Context against base, both logarithmic; the bounds are lines. The point at ${place} lies ${where}.`,
    }));

    const period = (freq) => (freq > 0 ? (2 * Math.PI) / freq : null);
    const periods = shown.inv_freq.map(period);
    const turning = periods.filter((value) => value !== null && value <= length).length;
    const still = periods.filter((value) => value === null).length;
    const lines = [["context", verdict.context]];
    if (length < verdict.context) lines.push(["window", length]);
    const original = shown.scaling.original_max_position_embeddings ?? verdict.original_context;
    if (original && original !== verdict.context && original !== length) lines.push(["original", original]);
    const resting = still ? `; ${still} do not rotate` : "";
    const title = `${turning} of ${periods.length} pairs complete a turn within ${tokens(length)}${resting}`;
    at("spectrum-title").textContent = title;
    at("spectrum").replaceChildren(ropeDrawing.spectrum(at("spectrum").clientWidth, {
      periods, unscaled: rope.frequencies(shown.base, shown.rotary_dim).map(period), length, lines,
      description: `The period of each pair of channels, fastest first, on a logarithmic scale. ${title}.`,
    }));
  }

  new ResizeObserver(draw).observe(document.getElementById("calc-page"));

  // Copying.

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      at("copied").textContent = `${what} copied.`;
    } catch {
      at("copied").textContent = `This browser does not let the page copy. ${what}: ${text}`;
    }
  }

  at("copy-fragment").addEventListener("click", () => copy(at("fragment").textContent, "Fragment"));
  const link = () => new URL(`?${state.toQuery(values)}`, location.href).href;
  at("copy-link").addEventListener("click", () => copy(link(), "Link"));
  at("copy-json").addEventListener("click", () => copy(JSON.stringify(evaluated.verdict, null, 2), "JSON"));

  readAddress();
})();
