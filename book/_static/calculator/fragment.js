/* What to write so that transformers 5 rotates as the fields say, and the command that writes it for other programs.

   Sets one global, `ropeFragment`, and knows nothing of the page. The tests read each fragment with the library. */
(function (global) {
  "use strict";

  const ORIGINAL = "original_max_position_embeddings";

  // The retrofits that a reader can choose, with the keys that a config.json has for each. NTK is a larger base.
  const KEYS = {
    default: [], linear: ["factor"], ntk: [], dynamic: ["factor", ORIGINAL], yarn: ["factor", ORIGINAL],
    llama3: ["factor", ORIGINAL, "low_freq_factor", "high_freq_factor"],
  };

  /* Whether one object says all of a model's rotation: one spectrum, over whole heads, without a window. */
  function isPlain(model) {
    const [rotary, ...others] = model.rotaries;
    return rotary !== undefined && !others.length && rotary.window === null && rotary.rotary_dim === rotary.head_dim;
  }

  /* The part of a config.json, as an object, or null for a model or a scaling that one object does not say all of. */
  function fragment(model, context) {
    if (!isPlain(model)) return null;
    const { base, scaling, rotary_dim } = model.rotaries[0], { type } = scaling;
    if (!(type in KEYS)) return null;
    const stretch = type === "ntk" ? Math.pow(scaling.factor, rotary_dim / (rotary_dim - 2)) : 1;
    const rope_parameters = { rope_type: type === "ntk" ? "default" : type, rope_theta: base * stretch };
    for (const key of KEYS[type]) if ((scaling[key] ?? null) !== null) rope_parameters[key] = scaling[key];
    for (const key of ["attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"]) {
      if (type === "yarn" && (scaling[key] ?? null) !== null) rope_parameters[key] = scaling[key];
    }
    // `dynamic` starts from the declared context, whatever the object says: the model's own length stays declared.
    return { max_position_embeddings: type === "dynamic" ? scaling[ORIGINAL] : context, rope_parameters };
  }

  /* The command that writes the same for a model of the atlas, and for other programs. */
  const command = (name, context, type) => {
    const method = type in KEYS && type !== "default" ? ` --method ${type}` : "";
    return `rope-lib extend "atlas:${name}" --context ${context}${method} --for transformers-5`;
  };

  global.ropeFragment = { command, fragment };
})(globalThis);
