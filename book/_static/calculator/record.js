/* What stands beside a verdict: the record of such verdicts by the case studies, and which angles training showed.

   rope_lib.models.track_record, training and summary, ported. Sets one global, `ropeRecord`, and knows nothing of
   the page. The tests compare it with the library: names, sentences and the keys of objects are the library's. */
(function (global) {
  "use strict";

  const rope = global.rope;

  const RETROFITS = ["linear", "ntk", "dynamic", "yarn", "deepseek_yarn", "longrope", "su", "llama3", "freq_factors"];
  const ROUNDING = 1e-9; // relative: a length reached exactly is not passed

  // The record: rope_lib.models.track_record.

  /* How many of the cases that work or fail the bounds misjudge, and how many the two other rules do. */
  function trackRecord({ epsilon = 0.95, dtype = "float32" } = {}) {
    const cases = global.ropeAtlas.cases, original = cases.filter((one) => one.has_seen_angles !== null);
    const isStable = ({ effective_base, longest_distance, num_layers }) =>
      rope.classify(effective_base, longest_distance, num_layers, { epsilon, dtype }) === "stable";
    const wrong = (among, rule) => among.filter((one) => rule(one) !== (one.observed === "works")).length;
    return {
      epsilon, dtype, cases: cases.length, models: new Set(cases.map((one) => one.model)).size,
      bounds_misjudge: wrong(cases, isStable),
      training_length_misjudges: wrong(cases, (one) => one.context_length <= one.train_length),
      original_known: original.length,
      seen_angles_misjudge: wrong(original, (one) => one.has_seen_angles),
      bounds_misjudge_of_original_known: wrong(original, isStable),
    };
  }

  function recordSentence(found) {
    return `Record: of ${found.cases} published runs known to work or fail, these bounds misjudge ` +
      `${found.bounds_misjudge}; training length alone misjudges ${found.training_length_misjudges}; ` +
      `seen angles ${found.seen_angles_misjudge} of the ${found.original_known} whose original ` +
      `training is known (these bounds ${found.bounds_misjudge_of_original_known}).`;
  }

  // Seen angles: rope_lib.models.training.

  /* For each pair, the tokens at which it first turns farther than in training. */
  function seenByEachPair(now, trained, length) {
    return now.map((freq, pair) => {
      const isLimited = trained[pair] * length < 2 * Math.PI && freq > 0;
      return isLimited ? (length * trained[pair]) / freq : Infinity;
    });
  }

  /* A reach in tokens, rid of rounding; null where there is none, or where a window ends before it. */
  function within(length, window) {
    if (length === Infinity || (window !== null && window <= length * (1 + ROUNDING))) return null;
    return Math.abs(length - Math.round(length)) <= ROUNDING * length ? Math.round(length) : length;
  }

  function seenAngles(rotary, training, context) {
    const { base, rotary_dim, scaling, window, inv_freq } = rotary, trainedBase = training.base ?? base;
    const isOther = RETROFITS.includes(scaling.type) || trainedBase !== base;
    const trained = isOther ? rope.frequencies(trainedBase, rotary_dim) : inv_freq;
    const reaches = seenByEachPair(inv_freq, trained, training.length);
    const seen = Math.min(context, window ?? Infinity), shortest = (lengths) => Math.min(Infinity, ...lengths);
    return {
      before: within(shortest(seenByEachPair(trained, trained, training.length)), window),
      after: within(shortest(reaches), window),
      pairs: inv_freq.filter((freq) => freq > 0).length,
      pairs_beyond: reaches.filter((reach) => reach * (1 + ROUNDING) < seen).length,
    };
  }

  const count = (value) => Math.trunc(value).toLocaleString("en-US");

  /* What of its angles a spectrum has seen in training, in one sentence or two. */
  function seenSentence({ seen_angles: seen, window }, training, context) {
    const name = `${training.name} training`.trim();
    const trained = `${count(training.length)} tokens (${training.provenance}: ${training.source})`;
    if (seen.after === null && window === null) {
      return `No pair turns farther at any length than in its ${name} on ${trained}: each turns fully there.`;
    }
    if (seen.after === null) {
      return `No pair turns farther within its window of ${count(window)} than in its ${name} on ${trained}.`;
    }
    const there = seen.pairs_beyond ? `${seen.pairs_beyond} of ${seen.pairs} pairs do` : "none does";
    const before = seen.before === null ? "at any length" : `up to ${count(seen.before)}`;
    const reach = seen.after === training.length
      ? `Up to the length of its ${name}, ${trained}, no pair turns farther than there`
      : `Up to ${count(seen.after)} tokens no pair turns farther than in its ${name} on ${trained}; ` +
        `before the retrofit, ${before}`;
    return `${reach}. At ${count(context)}, ${there}.`;
  }

  /* The verdict on a model, and what stands beside it, in the keys of `rope-lib check --json`. */
  function judge(model, context, options = {}) {
    const verdict = rope.judge(model, context, options), training = model.training ?? { shown: null, longest: null };
    const seen = (rotary) => training.shown && seenAngles(rotary, training.shown, context);
    return {
      ...verdict,
      rotaries: verdict.rotaries.map((rotary) => ({ ...rotary, seen_angles: seen(rotary) })),
      record: trackRecord(options),
      training,
    };
  }

  global.ropeRecord = { judge, recordSentence, seenAngles, seenByEachPair, seenSentence, trackRecord };
})(globalThis);
