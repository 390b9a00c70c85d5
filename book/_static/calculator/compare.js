/* Two models side by side: rope_lib.models.compare and rope_lib.theory.comparison, ported function by function.

   Sets one global, `ropeCompare`, and knows nothing of the page. The tests compare it with the library. */
(function (global) {
  "use strict";

  const { rope } = global;

  const TOLERANCE = 2 ** -20; // numbers that differ by no more than this share are the same
  const UNROTATED = -1, ABSENT = -2; // what a layer is that no spectrum drives; that only the other model has
  const SMALL_ERROR = 0.1; // radians
  const LENGTH_DEPENDENT = ["dynamic", "longrope", "su"];
  const ORIGINAL = "original_max_position_embeddings";

  const close = (a, b) => Math.abs(a - b) <= TOLERANCE * Math.abs(a);
  const allClose = (a, b) => a.every((value, index) => close(value, b[index]));

  /* How far the rotation by `b` strays from that by `a`, two spectra of one length, over a context in tokens. */
  function phaseDifference(a, b, context) {
    const gaps = a.map((freq, pair) => Math.abs(freq - b[pair])), widest = Math.max(...gaps);
    const relative = gaps.map((gap, pair) => (a[pair] > 0 ? gap / a[pair] : Number(gap > 0)));
    const beyond = (radians) => (widest ? Math.floor(radians / widest) + 1 : null);
    return {
      largest_relative: Math.max(...relative),
      worst: (context - 1) * widest,
      first_beyond_tenth: beyond(SMALL_ERROR),
      first_beyond_pi: beyond(Math.PI),
    };
  }

  /* For each of `depth` layers the place of its spectrum in `rotaries`, UNROTATED, or ABSENT past the end. */
  function spectrumOfLayers(model, depth) {
    const which = Array.from({ length: depth }, (_, layer) => (layer < model.num_layers ? UNROTATED : ABSENT));
    model.rotaries.forEach((rotary, index) => rotary.layers.forEach((layer) => (which[layer] = index)));
    return which;
  }

  /* [[place in A, place in B, layers], …]: the layers that one pair of spectra drives. */
  function alignedLayers(a, b) {
    const depth = Math.max(a.num_layers, b.num_layers), groups = new Map();
    const [first, second] = [a, b].map((model) => spectrumOfLayers(model, depth));
    for (let layer = 0; layer < depth; layer++) {
      const key = `${first[layer]} ${second[layer]}`;
      if (!groups.has(key)) groups.set(key, [first[layer], second[layer], []]);
      groups.get(key)[2].push(layer);
    }
    return [...groups.values()];
  }

  const spectrumAt = ({ scaling, base, rotary_dim }, context) =>
    rope.scaledFrequencies(scaling.type, base, rotary_dim, scaling, context);

  /* The attention of these layers at a context, which a window at least as long does not limit. */
  const sight = ({ kind, window }, context) =>
    window !== null && window >= context ? "full" : `${kind} ${window ?? ""}`;

  /* The quantities in which two spectra part so that the rotation is another. */
  function partings(a, b, context) {
    const [one, other] = [a, b].map((rotary) => spectrumAt(rotary, context));
    const samePairs = a.rotary_dim === b.rotary_dim, parted = [];
    if (samePairs && !allClose(one.inv_freq, other.inv_freq)) parted.push("frequencies");
    if (!close(one.attention_factor, other.attention_factor)) parted.push("attention factor");
    if (a.head_dim !== b.head_dim) parted.push("head size");
    if (!samePairs) parted.push("rotated channels");
    if (sight(a, context) !== sight(b, context)) parted.push("window");
    return parted;
  }

  /* How far two spectra are apart, where one that does not rotate turns every pair by 0; null if sizes differ. */
  function phase(a, b, context) {
    const present = [a, b].filter((rotary) => rotary !== null);
    if (!present.length || new Set(present.map((rotary) => rotary.rotary_dim)).size > 1) return null;
    const nothing = Array(present[0].rotary_dim / 2).fill(0);
    const [one, other] = [a, b].map((rotary) => (rotary === null ? nothing : spectrumAt(rotary, context).inv_freq));
    return phaseDifference(one, other, context);
  }

  function groupsAt(a, b, context) {
    return alignedLayers(a, b).map(([first, second, layers]) => {
      const one = first < 0 ? null : a.rotaries[first], other = second < 0 ? null : b.rotaries[second];
      const only_in = first === ABSENT ? "B" : second === ABSENT ? "A" : null;
      const both = one !== null && other !== null;
      const differ = both ? partings(one, other, context) : first === second ? [] : [only_in ? "layers" : "rotation"];
      return {
        layers, only_in, partings: differ, same: differ.length === 0, a: one && first, b: other && second,
        phase: only_in ? null : phase(one, other, context),
      };
    });
  }

  /* Shorter contexts at which scalings that depend on the length may differ from how they are at `context`. */
  function otherLengths(a, b, context) {
    const scalings = [...a.rotaries, ...b.rotaries].map((rotary) => rotary.scaling)
      .filter((scaling) => LENGTH_DEPENDENT.includes(scaling.type));
    if (!scalings.length) return [];
    const lengths = [a.declared_context, b.declared_context].filter((length) => length !== null);
    for (const scaling of scalings) {
      const original = scaling[ORIGINAL] ?? 0;
      if (original) lengths.push(original, original + 1, 2 * original);
    }
    return [...new Set(lengths)].filter((length) => length < context).sort((x, y) => x - y);
  }

  /* { same, groups }: whether every layer of two models turns alike in every input up to a context in tokens, and the
     layers by their spectra, as `rope-lib compare --json` has them. */
  function compare(a, b, context) {
    const groups = groupsAt(a, b, context);
    const alike = (found) => found.every((group) => group.same);
    const same = alike(groups) && otherLengths(a, b, context).every((length) => alike(groupsAt(a, b, length)));
    return { same, groups };
  }

  global.ropeCompare = { compare, phaseDifference };
})(globalThis);
