/* Counts as a reader writes them, for the calculator and the explorables. Sets one global, `ropeNumbers`. */
(function (global) {
  "use strict";

  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  /* A count as a reader writes it: 62,832, then 176.6M from 100 million up. */
  function count(value) {
    if (value >= 1e15) {
      const exponent = Math.floor(Math.log10(value)), lead = Number((value / 10 ** exponent).toPrecision(3));
      const power = `10${[...String(exponent)].map((digit) => SUPERSCRIPTS[digit]).join("")}`;
      return lead === 1 ? power : `${lead} × ${power}`;
    }
    for (const [size, suffix] of [[1e12, "T"], [1e9, "B"], [1e6, "M"]]) {
      if (value >= Math.max(size, 1e8)) return `${Number((value / size).toPrecision(4))}${suffix}`;
    }
    return value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(4)));
  }

  /* A decade as a tick's label: 10,000, then 1M, 10B. */
  function decade(value) {
    for (const [size, suffix] of [[1e12, "T"], [1e9, "B"], [1e6, "M"]]) {
      if (value >= size && value < 1e15) return `${Math.round(value / size)}${suffix}`;
    }
    return count(value);
  }

  global.ropeNumbers = { count, decade };
})(globalThis);
