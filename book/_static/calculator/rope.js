/* The mathematics of the calculator: rope_lib's theory and verdicts, ported function by function.

   A classic script, since browsers refuse modules from files. It sets one global, `rope`, and knows nothing of the
   page. The tests compare it with the library. Names, messages and the keys of objects are the library's. */
(function (global) {
  "use strict";

  const SIGNIFICAND_BITS = { bfloat16: 7, float16: 10, float32: 23, float64: 52 };
  const VERDICTS = ["infeasible", "beyond_precision", "aliased", "unstable", "unstable_at_depth", "stable"];
  const WORST_FIRST = ["infeasible", "aliased", "unstable", "beyond_precision", "unstable_at_depth", "stable"];

  // Checks: rope_lib.theory.arguments.

  class InputError extends Error {
    constructor(name, allowed, got) {
      super(`${name} must ${allowed}, got ${got}`);
      this.field = name;
    }
  }

  const positive = { allowed: "a finite number > 0", valid: (x) => Number.isFinite(x) && x > 0 };
  const aboveOne = { allowed: "a finite number > 1", valid: (x) => Number.isFinite(x) && x > 1 };
  const atLeastOne = { allowed: "a finite number of at least 1", valid: (x) => Number.isFinite(x) && x >= 1 };
  const notNegative = { allowed: "a finite number of at least 0", valid: (x) => Number.isFinite(x) && x >= 0 };
  const share = { allowed: "a number from 0 to 1", valid: (x) => x >= 0 && x <= 1 };
  const openUnit = { allowed: "a number in (0, 1)", valid: (x) => x > 0 && x < 1 };
  const LARGEST = 2 ** 53; // up to there every whole number is a float64
  const to = (most) => (most === LARGEST ? "2^53" : most.toLocaleString("en-US"));
  const whole = (least, most = LARGEST) => ({
    allowed: `a whole number from ${least} to ${to(most)}`,
    valid: (x) => Math.round(x) === x && x >= least && x <= most,
  });
  const even = (least, most = LARGEST) => ({
    allowed: `an even number from ${least} to ${to(most)}`,
    valid: (x) => x % 2 === 0 && x >= least && x <= most,
  });
  const oneOf = (names) => ({ allowed: `one of ${names.join(", ")}`, valid: (x) => names.includes(x) });

  function shown(value) {
    if (value === undefined || value === null || value === "") return "nothing";
    if (Number.isNaN(value)) return "nan";
    if (typeof value === "number" && !Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
    if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
    return typeof value === "string" ? `'${value}'` : String(value);
  }

  /* The value, if it passes the check; else an InputError that names it. `text` is what the reader typed. */
  function need(check, name, value, text = shown(value)) {
    if (typeof value === "boolean" || !check.valid(value)) {
      throw new InputError(name, `be ${check.allowed}`, text);
    }
    return value;
  }

  function number(parameters, key, check, ...fallback) {
    const value = parameters[key] ?? null;
    return value === null && fallback.length ? fallback[0] : moderate(key, need(check, key, value));
  }

  /* The value, refused where powers and ratios of several like it might leave float64. */
  function moderate(name, value) {
    if (value > 1e36 || (value > 0 && value < 1e-36)) {
      throw new InputError(name, "be between 1e-36 and 1e36", shown(value));
    }
    return value;
  }

  /* A result that grows with the argument `name`, refused where float64 cannot hold it. */
  function held(name, value, result) {
    if (Number.isFinite(result)) return result;
    throw new InputError(name, "be small enough for a result below 1.8e308", shown(value));
  }

  const factorOf = (parameters) => number(parameters, "factor", atLeastOne);
  const trainedLength = (parameters) => number(parameters, "original_max_position_embeddings", aboveOne);
  const clip = (x) => Math.min(Math.max(x, 0), 1);

  // Spectra: rope_lib.theory.oscillators and scaling. Each returns { inv_freq, attention_factor }.

  function frequencies(base, dim) {
    need(aboveOne, "base", base);
    need(even(2), "dim", dim);
    return Array.from({ length: dim / 2 }, (_, pair) => Math.pow(base, (-2 * pair) / dim));
  }

  const plain = (inv_freq) => ({ inv_freq, attention_factor: 1 });
  const unscaled = (base, dim) => plain(frequencies(base, dim));

  function linear(base, dim, parameters) {
    const factor = factorOf(parameters);
    return plain(frequencies(base, dim).map((freq) => freq / factor));
  }

  function stretched(base, dim, stretch) {
    need(aboveOne, "base", base);
    need(even(4), "dim", dim);
    return plain(frequencies(held("base", base, base * Math.pow(stretch, dim / (dim - 2))), dim));
  }

  const ntk = (base, dim, parameters) => stretched(base, dim, factorOf(parameters));

  function dynamic(base, dim, parameters, context) {
    if ((parameters.alpha ?? null) !== null) return stretched(base, dim, number(parameters, "alpha", atLeastOne));
    const factor = factorOf(parameters), trained = trainedLength(parameters);
    const length = Math.max(moderate("context_length", need(positive, "context_length", context)), trained);
    return stretched(base, dim, 1 + factor * (length / trained - 1));
  }

  function ramped(base, dim, parameters, factor) {
    const inv_freq = frequencies(base, dim), trained = trainedLength(parameters);
    const pairTurning = (turns) => (dim * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(base));
    const fast = number(parameters, "beta_fast", positive, 32);
    const slow = number(parameters, "beta_slow", positive, 1);
    if (fast < slow) throw new InputError("beta_fast", "be at least beta_slow", `${fast} and ${slow}`);
    const truncate = parameters.truncate ?? true;
    if (truncate !== true && truncate !== false) {
      throw new InputError("truncate", "be true or false", shown(truncate));
    }
    let first = pairTurning(fast), last = pairTurning(slow);
    if (truncate) [first, last] = [Math.floor(first), Math.ceil(last)];
    [first, last] = [Math.max(first, 0), Math.min(last, dim - 1)];
    if (first === last) last += 0.001;
    return inv_freq.map((freq, pair) => {
      const divided = clip((pair - first) / (last - first));
      return freq * (1 - divided) + (freq / factor) * divided;
    });
  }

  const temperature = (factor, mscale) => 0.1 * mscale * Math.log(factor) + 1;

  function yarn(base, dim, parameters) {
    const factor = factorOf(parameters);
    let mscale = number(parameters, "mscale", notNegative, 0);
    let allDim = number(parameters, "mscale_all_dim", notNegative, 0);
    if (!(mscale && allDim)) [mscale, allDim] = [1, 0];
    const ratio = temperature(factor, mscale) / temperature(factor, allDim);
    const inv_freq = ramped(base, dim, parameters, factor);
    return { inv_freq, attention_factor: number(parameters, "attention_factor", positive, ratio) };
  }

  function deepseekYarn(base, dim, parameters) {
    const factor = factorOf(parameters);
    const mscale = number(parameters, "mscale", notNegative, 1);
    const allDim = number(parameters, "mscale_all_dim", notNegative, 0);
    const attention_factor = temperature(factor, mscale) / temperature(factor, allDim);
    return { inv_freq: ramped(base, dim, parameters, factor), attention_factor };
  }

  function divided(base, dim, parameters, key) {
    const inv_freq = frequencies(base, dim), divisors = parameters[key] ?? null;
    if (!Array.isArray(divisors)) need(positive, key, NaN, shown(divisors));
    divisors.forEach((divisor, pair) => need(positive, key, divisor, `${shown(divisor)} at index [${pair}]`));
    divisors.forEach((divisor) => moderate(key, divisor));
    if (divisors.length !== inv_freq.length) {
      const wanted = `hold one number for each of ${inv_freq.length} pairs`;
      throw new InputError(key, wanted, `shape (${divisors.length},)`);
    }
    return inv_freq.map((freq, pair) => freq / divisors[pair]);
  }

  function longrope(base, dim, parameters, context) {
    const trained = trainedLength(parameters);
    const which = need(positive, "context_length", context) > trained ? "long" : "short";
    let attention_factor = number(parameters, `${which}_mscale`, positive, null);
    attention_factor ??= number(parameters, "attention_factor", positive, null);
    attention_factor ??= Math.sqrt(1 + Math.log(factorOf(parameters)) / Math.log(trained));
    return { inv_freq: divided(base, dim, parameters, `${which}_factor`), attention_factor };
  }

  /* A divisor of 1e15 or more stops its pair. */
  function freqFactors(base, dim, parameters) {
    const inv_freq = divided(base, dim, parameters, "freq_factors");
    return plain(inv_freq.map((freq, pair) => (parameters.freq_factors[pair] < 1e15 ? freq : 0)));
  }

  function llama3(base, dim, parameters) {
    const factor = factorOf(parameters), trained = trainedLength(parameters);
    const low = number(parameters, "low_freq_factor", positive);
    const high = number(parameters, "high_freq_factor", positive);
    if (high < low) {
      throw new InputError("high_freq_factor", "be at least low_freq_factor", `${high} and ${low}`);
    }
    return plain(frequencies(base, dim).map((freq) => {
      const turns = (trained * freq) / (2 * Math.PI);
      const kept = high > low ? clip((turns - low) / (high - low)) : Number(turns >= low);
      return freq * (kept + (1 - kept) / factor);
    }));
  }

  function proportional(base, dim, parameters) {
    const inv_freq = frequencies(base, dim);
    const rotating = Math.floor((number(parameters, "partial_rotary_factor", share, 1) * dim) / 2);
    const factor = number(parameters, "factor", atLeastOne, 1);
    return plain(inv_freq.map((freq, pair) => (pair < rotating ? freq : 0) / factor));
  }

  function mrope(base, dim, parameters) {
    const inv_freq = frequencies(base, dim), sections = parameters.mrope_section ?? null;
    if (sections !== null) {
      sections.forEach((section) => need(whole(0), "mrope_section", section));
      if (sections.reduce((sum, section) => sum + section, 0) !== inv_freq.length) {
        throw new InputError("mrope_section", `share out ${inv_freq.length} pairs`, shown(sections));
      }
    }
    return plain(inv_freq);
  }

  const SCALINGS = {
    default: unscaled, linear, ntk, dynamic, yarn, deepseek_yarn: deepseekYarn, longrope, su: longrope, llama3,
    freq_factors: freqFactors, proportional, mrope,
  };

  function scaledFrequencies(scaling, base, dim, parameters, context) {
    return SCALINGS[need(oneOf(Object.keys(SCALINGS)), "scaling", scaling)](base, dim, parameters, context);
  }

  /* The base × the factor by which the scaling slows the slowest pair that rotates. */
  function effectiveBase(base, dim, inv_freq) {
    const slowest = (freqs) => Math.min(...freqs.filter((_, pair) => inv_freq[pair] > 0));
    return inv_freq.some((freq) => freq > 0) ? base * (slowest(frequencies(base, dim)) / slowest(inv_freq)) : base;
  }

  // Bounds and verdicts: rope_lib.theory.bounds and rope_lib.models.verdicts.

  function allowedDrift(epsilon, layers = 1) {
    need(openUnit, "epsilon", epsilon);
    need(whole(1), "layers", layers);
    return 2 * Math.asin(Math.sqrt(-Math.expm1(Math.log(epsilon) / layers) / 2));
  }

  /* The smallest base by each bound and, under `precision`, the wall that the base must stay below. */
  function bounds(context, layers, { epsilon = 0.95, dtype = "float32" } = {}) {
    need(positive, "context", context);
    need(oneOf(Object.keys(SIGNIFICAND_BITS)), "dtype", dtype);
    return {
      aliasing: context / (2 * Math.PI),
      stability: held("context", context, context / allowedDrift(epsilon)),
      depth: held("context", context, context / allowedDrift(epsilon, layers)),
      precision: 2 ** SIGNIFICAND_BITS[dtype],
    };
  }

  /* The longest context, in tokens, that a base serves by each bound; precision sets no length. */
  function longestContexts(base, layers, epsilon = 0.95) {
    need(aboveOne, "base", base);
    return {
      aliasing: held("base", base, base * 2 * Math.PI),
      stability: held("base", base, base * allowedDrift(epsilon)),
      depth: held("base", base, base * allowedDrift(epsilon, layers)),
    };
  }

  function classify(base, context, layers, options = {}) {
    need(aboveOne, "effective_base", base);
    const bound = bounds(context, layers, options);
    const applies = [
      bound.depth >= bound.precision,
      base >= bound.precision,
      base < bound.aliasing,
      base < bound.stability,
      base < bound.depth,
      true,
    ];
    return VERDICTS[applies.indexOf(true)];
  }

  // Men et al.: rope_lib.theory.rivals, for any spectrum.

  const REACH = 128; // a row holds the distances up to REACH on either side of its middle
  const ROWS = 256; // rows between two breaths

  /* Searches row by row, and yields now and then, so that a page can breathe; returns the first distance
     1 ≤ m ≤ limit at which Σ cos(m·θ_i) < 0, or null. The mean over the bank at m = middle ± fine is that of
     cos(middle·θ)cos(fine·θ) ∓ sin(middle·θ)sin(fine·θ): see similarity_blocks in the library. */
  function* searchFirstNegative(freqs, limit) {
    need(whole(1), "limit", limit);
    const pairs = freqs.length, mean = freqs.reduce((sum, freq) => sum + freq, 0) / pairs;
    const width = REACH + 1, cosines = new Float64Array(pairs * width), sines = new Float64Array(pairs * width);
    for (let pair = 0; pair < pairs; pair++) {
      for (let fine = 0; fine < width; fine++) {
        cosines[pair * width + fine] = Math.cos(fine * freqs[pair]) / pairs;
        sines[pair * width + fine] = Math.sin(fine * freqs[pair]) / pairs;
      }
    }
    const evens = new Float64Array(width), odds = new Float64Array(width); // the parts even and odd in fine
    for (let middle = 1 + REACH, row = 1; middle - REACH <= limit; middle += 2 * REACH + 1, row++) {
      evens.fill(0);
      odds.fill(0);
      for (let pair = 0; pair < pairs; pair++) {
        const cos = Math.cos(middle * freqs[pair]), sin = Math.sin(middle * freqs[pair]), start = pair * width;
        for (let fine = 0; fine < width; fine++) {
          evens[fine] += cos * cosines[start + fine];
          odds[fine] += sin * sines[start + fine];
        }
      }
      const uncertainty = 8 * Number.EPSILON * (1 + (middle + REACH) * mean);
      for (let fine = -REACH; fine <= REACH && middle + fine <= limit; fine++) {
        const similarity = fine < 0 ? evens[-fine] + odds[-fine] : evens[fine] - odds[fine];
        if (similarity < -uncertainty) return middle + fine;
        if (similarity < uncertainty && directSum(middle + fine, freqs) < 0) return middle + fine;
      }
      if (row % ROWS === 0) yield middle + REACH;
    }
    return null;
  }

  function menFirstNegative(freqs, limit) {
    const search = searchFirstNegative(freqs, limit);
    let step = search.next();
    while (!step.done) step = search.next();
    return step.value;
  }

  /* Σ cos(m·θ_i) with what the products round off put back: for sums too close to zero for their sign to be sure. */
  function directSum(distance, freqs) {
    let sum = 0;
    for (const freq of freqs) {
      const angle = distance * freq;
      sum += Math.cos(angle) - roundedOff(distance, freq, angle) * Math.sin(angle);
    }
    return sum;
  }

  /* a·b - product, exactly (Dekker). */
  function roundedOff(a, b, product) {
    const high = (x) => x * 134217729 - (x * 134217729 - x);
    const aHigh = high(a), aLow = a - aHigh, bHigh = high(b), bLow = b - bHigh;
    return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  }

  // A model: rope_lib.models.

  /* What the bounds say of one rotary, in the keys of `rope-lib check --json`. Bounds use what the layers see. */
  function judgeRotary(rotary, context, options = {}) {
    const { base, rotary_dim, scaling, window } = rotary, layers = rotary.layers.length;
    const spectrum = scaledFrequencies(scaling.type, base, rotary_dim, scaling, context);
    const effective_base = effectiveBase(base, rotary_dim, spectrum.inv_freq);
    const length = window === null ? context : Math.min(context, window);
    return {
      ...rotary,
      ...spectrum,
      effective_base,
      bounds: bounds(length, layers, options),
      verdict: classify(effective_base, length, layers, options),
      verdict_without_scaling: classify(base, length, layers, options),
    };
  }

  const worst = (verdicts) => WORST_FIRST.find((verdict) => verdicts.includes(verdict)) ?? "no_rope";

  function judge(model, context, options = {}) {
    const rotaries = model.rotaries.map((rotary) => judgeRotary(rotary, context, options));
    return {
      model: model.name,
      num_layers: model.num_layers,
      context,
      declared_context: model.declared_context,
      original_context: model.original_context,
      rotaries,
      unrotated_layers: model.unrotated_layers,
      verdict: worst(rotaries.map((rotary) => rotary.verdict)),
    };
  }

  global.rope = {
    DTYPES: Object.keys(SIGNIFICAND_BITS), InputError, SCALINGS: Object.keys(SCALINGS), VERDICTS,
    aboveOne, allowedDrift, atLeastOne, bounds, classify, effectiveBase, even, frequencies, judge, judgeRotary,
    longestContexts, menFirstNegative, need, oneOf, openUnit, positive, scaledFrequencies, searchFirstNegative, whole,
  };
})(globalThis);
