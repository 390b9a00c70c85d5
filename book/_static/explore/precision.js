/* The precision microscope: how far each pair's hand is off at a position, and where neighboring tokens fall. */
(function (global) {
  "use strict";

  const { explore, explorePlot: plot, rope, ropeRounding: rounding } = global;
  const DIM = 128;
  const NEIGHBORS = 8; // steps from one token to the next under the microscope
  const LARGEST_HALF = 65_504; // what float16 can hold
  const FLOOR = 1e-10; // radians: an error that is smaller is drawn here

  const types = rope.DTYPES.map((name) => [name, name]);
  const controls = [
    {
      name: "scheme", label: "How angles are computed", kind: "choice", value: "product",
      options: [["product", "position × frequency"], ["recurrence", "recurrence from pair to pair"], ["power", "power of the ratio"]],
    },
    { name: "angle", label: "Angles in", kind: "choice", value: "bfloat16", options: types },
    {
      name: "table", label: "Cosines and sines in", kind: "choice", value: "float32",
      options: ({ scheme, angle }) => (scheme === "product" ? types : [[angle, `${angle}, as the angles`]]),
    },
    {
      name: "position", label: "Position", unit: "tokens", kind: "number", value: 1000, from: 0, log: true, whole: true,
      to: ({ angle }) => (angle === "float16" ? LARGEST_HALF - NEIGHBORS : 2 ** 20),
    },
    { name: "pair", label: "Pair under the microscope", kind: "number", value: 20, from: 0, to: DIM / 2 - 1, whole: true },
    { name: "base", label: "Base", kind: "number", value: 10_000, from: 10, to: 1e9, log: true },
  ];

  const steps = [
    {
      do: "Angles in bfloat16, at 1,000", set: { scheme: "product", angle: "bfloat16", table: "float32", position: 1000, pair: 20, base: 10_000 },
      see: "Several tokens fall on one point. A bfloat16 has 8 binary digits: above 256 it cannot even hold every whole position.",
    },
    {
      do: "Keep the angles in float32, the tables in bfloat16", set: { scheme: "product", angle: "float32", table: "bfloat16", position: 1000, pair: 20, base: 10_000 },
      see: "What transformers hands to a bfloat16 model. The error no longer grows with the position: it is that of one last rounding.",
    },
    {
      do: "The recurrence in float32, a million tokens on", set: { scheme: "recurrence", angle: "float32", position: 1_000_000, pair: 20, base: 10_000 },
      see: "llama.cpp's way on a CPU. Each pair inherits the rounded ratio once more, and the error stands far above that of the product.",
    },
    {
      do: "Product in float32, a million tokens on", set: { scheme: "product", angle: "float32", table: "float32", position: 1_000_000, pair: 20, base: 10_000 },
      see: "Now every pair errs by a small part of its own turn per token, the slow ones no more than the fast. Raise the base: nothing gets worse.",
    },
  ];

  function compute({ scheme, angle, table, position, base }) {
    const positions = Array.from({ length: NEIGHBORS + 1 }, (_, step) => position + step);
    const found = rounding.tables(scheme, positions, base, DIM, { angle, table });
    const errors = rounding.phaseError(found, positions, base, DIM), freqs = rope.frequencies(base, DIM);
    const sizes = errors[0].map(Math.abs);
    return {
      freqs, errors,
      merged: rounding.mergedNeighbors(found),
      largest: Math.max(...sizes),
      beyond: sizes.filter((size, pair) => size > freqs[pair]).length,
    };
  }

  /* A small number with two digits: 0.016, then 1.6 × 10⁻⁵. */
  function small(value) {
    if (value === 0 || value >= 1e-3) return String(Number(value.toPrecision(2)));
    const exponent = Math.floor(Math.log10(value));
    return `${(value / 10 ** exponent).toFixed(1)} × ${plot.power(10 ** exponent)}`;
  }

  function says({ position, pair }, { freqs, errors, merged, largest, beyond }) {
    const error = Math.abs(errors[0][pair]), lost = Math.round(merged[pair] * NEIGHBORS);
    const apart = lost ? `${lost} of ${NEIGHBORS} neighbors fall on the same point as the token before` : "all neighbors stay apart";
    return `At position ${position.toLocaleString("en-US")} pair ${pair} is off by ${small(error)} radian, ${small(error / freqs[pair])} of its turn ` +
      `per token; ${apart}. Over all pairs the largest error is ${small(largest)} radian. Of ${freqs.length} pairs ${plot.many(beyond)} are off by ` +
      `more than one token's turn, and in ${plot.many(merged.filter((share) => share > 0).length)} some neighbors merge.`;
  }

  const height = () => 488;

  function draw(stage, values, found) {
    drawErrors(stage, values, found, 270);
    drawMicroscope(stage, values, found, 330);
  }

  function drawErrors(stage, { pair }, { freqs, errors, merged }, bottom) {
    const last = freqs.length - 1;
    const frame = plot.frame(stage, { left: 50, right: stage.width - 8, top: 28, bottom },
      { from: -0.6, to: last + 0.6, label: "pair, fastest first" },
      { scale: "log", from: FLOOR / 2, to: 8, label: "error of the angle (radians)", ticks: [1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1], format: (value) => (value >= 1 ? "1" : plot.power(value)) });
    stage.memory.frame = frame;
    plot.rule(frame, { x: pair }, "dashed");
    plot.line(frame, freqs.map((freq, at) => [at, freq]), "gray");
    errors[0].forEach((error, at) => {
      const size = Math.max(Math.abs(error), FLOOR), isLost = merged[at] > 0;
      const dot = frame.group.append("circle").attr("cx", frame.x(at)).attr("cy", frame.y(size)).attr("r", at === pair ? 6 : 3.4);
      dot.attr("class", isLost ? "ring red" : Math.abs(error) > freqs[at] ? "dot red" : "dot blue");
    });
    plot.label(frame.group, frame.right - 6, frame.top + 13, "gray line: turn per token", "gray small", "end");
    if (merged.some((share) => share > 0)) {
      plot.label(frame.group, frame.right - 6, frame.top + 29, "red ring: neighbors merge", "red small", "end");
    }
  }

  function drawMicroscope(stage, { pair, position }, { freqs, errors, merged }, top) {
    const places = errors.map((row, step) => step + row[pair] / freqs[pair]);
    const low = Math.min(-0.6, ...places), high = Math.max(NEIGHBORS + 0.6, ...places), margin = (high - low) * 0.02;
    const group = stage.layer.append("g"), left = 14, right = stage.width - 14;
    const x = global.d3.scaleLinear().domain([low - margin, high + margin]).range([left, right]);
    const rows = { exact: top + 38, computed: top + 92 };
    plot.label(group, 2, top + 8, `Pair ${pair}: ${NEIGHBORS + 1} tokens from ${position.toLocaleString("en-US")} on, along the circle`, "strong", "start", stage.width);
    plot.label(group, 2, rows.exact - 13, "where they belong", "gray small");
    plot.label(group, 2, rows.computed + 40, `where this arithmetic puts them`, "gray small");
    for (const y of Object.values(rows)) group.append("line").attr("class", "rule gray").attr("x1", left).attr("x2", right).attr("y1", y).attr("y2", y);
    const stacked = new Map();
    places.forEach((place, step) => {
      const key = Math.round(x(place)), above = stacked.get(key) ?? 0;
      stacked.set(key, above + 1);
      const color = merged[pair] > 0 ? "red" : "blue";
      group.append("line").attr("class", `line thin ${color}`).attr("x1", x(step)).attr("y1", rows.exact).attr("x2", x(place)).attr("y2", rows.computed);
      group.append("circle").attr("class", "ring").attr("r", 5).attr("cx", x(step)).attr("cy", rows.exact);
    });
    for (const [at, count] of stacked) {
      group.append("circle").attr("class", `dot outlined ${count > 1 ? "red" : "blue"}`).attr("r", 4.5 + 1.5 * Math.sqrt(count - 1)).attr("cx", at).attr("cy", rows.computed);
      if (count > 1) plot.label(group, at, rows.computed + 22, `${count} tokens`, "red small", "middle", stage.width);
    }
    group.append("text").attr("class", "axis-label").attr("x", right + 12).attr("y", rows.computed + 58).attr("text-anchor", "end")
      .text(high - low > 40 ? `angle: ${plot.count(high - low)} tokens' turns from left to right` : "angle: one token's turn from ring to ring");
  }

  function drag(stage, { x }) {
    const pair = Math.round(stage.memory.frame.x.invert(x));
    return { pair: Math.min(Math.max(pair, 0), DIM / 2 - 1) };
  }

  explore.define("precision", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
