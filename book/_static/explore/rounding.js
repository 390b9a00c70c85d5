/* Rotation tables in finite arithmetic, and the exact phase: rope_lib.theory.precision, ported function by function.

   Sets one global, `ropeRounding`, and knows nothing of the page. The tests compare it with the library. */
(function (global) {
  "use strict";

  const { rope } = global;
  const TURN = 2 * Math.PI;

  // Number types.

  const view = new DataView(new ArrayBuffer(8));

  /* The exponent e of a normal number with 2^e ≤ |x| < 2^(e+1). */
  function exponentOf(x) {
    view.setFloat64(0, x);
    return ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
  }

  function toEven(x) {
    const rounded = Math.round(x);
    return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
  }

  /* To the nearest number with so many bits after the first, none of them below 2^least; ties to even. */
  function toBits(x, bits, least) {
    if (x === 0) return x;
    const last = 2 ** Math.max(exponentOf(x) - bits, least);
    return toEven(x / last) * last;
  }

  const ROUND = {
    float64: (x) => x,
    float32: Math.fround,
    float16: (x) => toBits(x, 10, -24),
    bfloat16: (x) => toBits(x, 7, -133),
  };

  // Schemes. Each returns { cos, sin }, by position and pair.

  const table = (angles, round) => ({
    cos: angles.map((row) => row.map((angle) => round(Math.cos(angle)))),
    sin: angles.map((row) => row.map((angle) => round(Math.sin(angle)))),
  });

  /* Each step in a type of its own: θ_i, then p·θ_i, then the table. */
  function directProduct(positions, base, dim, arithmetic) {
    const [frequency, angle, entry] = ["inv_freq", "angle", "table"].map((step) => ROUND[arithmetic[step]]);
    const freqs = rope.frequencies(base, dim).map(frequency);
    return table(positions.map((position) => freqs.map((freq) => angle(angle(position) * freq))), entry);
  }

  /* Each angle is the one before times the rounded ratio base^(-2/dim). */
  function recurrence(positions, base, dim, dtype) {
    const round = ROUND[dtype], ratio = round(Math.pow(base, -2 / dim));
    const angles = positions.map((position) => {
      const row = [round(position)];
      while (row.length < dim / 2) row.push(round(row[row.length - 1] * ratio));
      return row;
    });
    return table(angles, round);
  }

  /* Each frequency is a power of the rounded ratio. */
  function ratioPower(positions, base, dim, dtype) {
    const round = ROUND[dtype], ratio = round(Math.pow(base, -2 / dim));
    const freqs = Array.from({ length: dim / 2 }, (_, pair) => round(Math.pow(ratio, pair)));
    return table(positions.map((position) => freqs.map((freq) => round(round(position) * freq))), round);
  }

  /* The tables of a scheme, "product", "recurrence" or "power"; angles and tables in their types. */
  function tables(scheme, positions, base, dim, { angle, table: entry }) {
    if (scheme === "product") return directProduct(positions, base, dim, { inv_freq: angle, angle, table: entry });
    return (scheme === "recurrence" ? recurrence : ratioPower)(positions, base, dim, angle);
  }

  /* The share of neighboring positions that a table does not keep apart, by pair. */
  function mergedNeighbors({ cos, sin }) {
    return cos[0].map((_, pair) => {
      let merged = 0;
      for (let at = 1; at < cos.length; at++) {
        merged += Number(cos[at][pair] === cos[at - 1][pair] && sin[at][pair] === sin[at - 1][pair]);
      }
      return merged / (cos.length - 1);
    });
  }

  // The exact phase. Whole numbers stand for multiples of 2^-BITS.

  const BITS = 288n, ONE = 1n << BITS; // of the fixed point, well past the 128 bits of a turn that are kept
  const TURN_BITS = 128n;
  const times = (a, b) => (a * b) >> BITS;
  const over = (a, b) => (a << BITS) / b;

  /* atanh(1/x) where x is a whole number, else of a fixed-point number. */
  function atanh(x) {
    const square = times(x, x);
    let power = x, sum = 0n;
    for (let odd = 1n; power !== 0n; odd += 2n) {
      sum += power / odd;
      power = times(power, square);
    }
    return sum;
  }

  function atanOfInverse(x) {
    const square = x * x;
    let power = ONE / x, sum = 0n;
    for (let odd = 1n, sign = 1n; power !== 0n; odd += 2n, sign = -sign) {
      sum += (sign * power) / odd;
      power /= square;
    }
    return sum;
  }

  const LOG_2 = 2n * atanh(ONE / 3n);
  const TWO_PI = 2n * (16n * atanOfInverse(5n) - 4n * atanOfInverse(239n)); // Machin

  /* ln x of a float64 above 1, exactly the number that it is. */
  function log(x) {
    const exponent = exponentOf(x), mantissa = BigInt(x * 2 ** (52 - exponent)) << (BITS - 52n); // in [1, 2)
    return BigInt(exponent) * LOG_2 + 2n * atanh(over(mantissa - ONE, mantissa + ONE));
  }

  /* e^-x of a number that is not negative. */
  function expOfMinus(x) {
    const halvings = x / LOG_2, rest = x % LOG_2;
    let term = ONE, sum = 0n;
    for (let n = 1n; term !== 0n; n += 1n) {
      sum += term;
      term = -times(term, rest) / n;
    }
    return sum >> halvings;
  }

  let known = { key: "", turns: [] };

  /* For each pair the turns per token, as a multiple of 2^-128. */
  function turnsPerToken(base, dim) {
    const key = `${base} ${dim}`;
    if (known.key !== key) {
      const logarithm = log(base);
      const turns = Array.from({ length: dim / 2 }, (_, pair) => {
        const frequency = expOfMinus((logarithm * BigInt(2 * pair)) / BigInt(dim));
        return over(frequency, TWO_PI) >> (BITS - TURN_BITS);
      });
      known = { key, turns };
    }
    return known.turns;
  }

  /* The phases p·θ_i in [-π, π], by position and pair: whole turns are dropped exactly. */
  function exactPhase(positions, base, dim) {
    const turns = turnsPerToken(base, dim);
    return positions.map((position) => turns.map((turn) => {
      const fraction = BigInt.asIntN(Number(TURN_BITS), BigInt(position) * turn);
      return (TURN * Number(fraction)) / 2 ** Number(TURN_BITS);
    }));
  }

  /* The signed error of a table against the exact phase, in radians, by position and pair. */
  function phaseError({ cos, sin }, positions, base, dim) {
    return exactPhase(positions, base, dim).map((row, at) => row.map((phase, pair) => {
      const [c, s] = [cos[at][pair], sin[at][pair]], [exactC, exactS] = [Math.cos(phase), Math.sin(phase)];
      return Math.atan2(s * exactC - c * exactS, c * exactC + s * exactS);
    }));
  }

  global.ropeRounding = { ROUND, exactPhase, mergedNeighbors, phaseError, tables };
})(globalThis);
