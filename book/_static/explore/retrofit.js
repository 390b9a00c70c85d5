/* What a retrofit does to each pair: by how much it is slowed, and whether it reaches angles unseen in training. */
(function (global) {
  "use strict";

  const { explore, explorePlot: plot, rope, ropeRecord } = global;
  const ROUNDING = 1e-9; // relative: a factor or an angle reached exactly is not passed
  const TURN = 2 * Math.PI;
  const LLAMA_3 = { low_freq_factor: 1, high_freq_factor: 4 }; // those of Llama 3.1
  const SCHEMES = {
    default: "no retrofit", linear: "position interpolation", ntk: "NTK", dynamic: "dynamic NTK", yarn: "YaRN", llama3: "llama3",
  };

  const controls = [
    { name: "scheme", label: "Retrofit", kind: "choice", value: "yarn", options: Object.entries(SCHEMES) },
    { name: "factor", label: "Factor", kind: "number", value: 8, from: 1, to: 64, log: true },
    { name: "length", label: "Tokens to read", kind: "number", value: 32_768, from: 512, to: 1_048_576, log: true, whole: true },
    { name: "trained", label: "Trained length", unit: "tokens", kind: "number", value: 4096, from: 512, to: 131_072, log: true, whole: true },
    { name: "base", label: "Base", kind: "number", value: 10_000, from: 100, to: 1e8, log: true },
    { name: "pair", label: "Pair to follow", kind: "number", value: 46, from: 0, to: ({ dim }) => dim / 2 - 1, whole: true },
    { name: "dim", label: "Channels of the head", kind: "choice", value: 128, options: [[128, "128: 64 pairs"], [64, "64: 32 pairs"], [8, "8: 4 pairs"]] },
  ];

  const start = { factor: 8, length: 32_768, trained: 4096, base: 10_000, dim: 128 };
  const steps = [
    {
      do: "No retrofit", set: { ...start, scheme: "default" },
      see: "The slow pairs, in red, turn farther than they ever did in training. Those that completed a turn know every angle.",
    },
    {
      do: "Position interpolation", set: { ...start, scheme: "linear" },
      see: "No pair meets a new angle. But all are slowed alike, the fastest too, which tell neighbors apart.",
    },
    {
      do: "NTK by the same factor", set: { ...start, scheme: "ntk" },
      see: "The fastest pair stays, the slowest is slowed in full, and those between by less than they need: the red ones are back.",
    },
    {
      do: "YaRN", set: { ...start, scheme: "yarn" },
      see: "Pairs that turned often stay, those that never did are slowed in full. Then read twice as many tokens, with the same factor.",
    },
  ];

  const isDynamic = (scheme) => scheme === "dynamic";

  function compute({ scheme, factor, length, trained, base, dim }) {
    const plain = rope.frequencies(base, dim);
    const parameters = { factor: isDynamic(scheme) ? 1 : factor, original_max_position_embeddings: trained, ...LLAMA_3 };
    const { inv_freq: freqs } = rope.scaledFrequencies(scheme, base, dim, parameters, length);
    const seen = ropeRecord.seenByEachPair(freqs, plain, trained), slowed = plain.map((freq, pair) => freq / freqs[pair]);
    const stretch = Math.max(length / trained, 1);
    const stay = slowed.filter((by) => by <= 1 + ROUNDING).length;
    const full = slowed.filter((by) => by > 1 + ROUNDING && by >= stretch * (1 - ROUNDING)).length;
    return {
      freqs, slowed, stay, full,
      between: dim / 2 - stay - full,
      seen: plain.map((freq) => (trained * freq) / TURN),
      reached: freqs.map((freq) => (length * freq) / TURN),
      unseen: seen.map((tokens) => tokens < length * (1 - ROUNDING)),
      known: Math.min(...seen),
    };
  }

  const turns = (value) => (value >= 100 ? plot.count(value) : String(Number(value.toPrecision(2))));

  function says({ scheme, factor, length, trained, pair }, { slowed, stay, between, full, seen, reached, unseen, known }) {
    const name = SCHEMES[scheme], by = scheme === "default" || isDynamic(scheme) ? "" : ` by ${plot.count(factor)}`;
    const beyond = unseen.filter(Boolean).length;
    const told = known === Infinity ? "Every pair completes a turn in training, and knows all angles."
      : beyond ? `${beyond} turn farther than in training, the first of them from ${plot.count(known)} tokens on.`
        : "none turns farther than in training.";
    return `${name[0].toUpperCase()}${name.slice(1)}${by}, read to ${plot.count(length)} tokens after training on ${plot.count(trained)}: ` +
      `of ${slowed.length} pairs ${plot.many(stay)} stay, ${plot.many(between)} are slowed in part and ${plot.many(full)} by the whole stretch; ${told} ` +
      `Pair ${pair} made ${turns(seen[pair])} turns in training. It is slowed by ${turns(slowed[pair])}, and makes ${turns(reached[pair])} now.`;
  }

  const height = () => 500;

  function draw(stage, values, found) {
    drawSlowing(stage, values, found, 28, 150);
    drawTurns(stage, values, found, 222, 458);
  }

  const pairs = (count, label) => ({ from: -0.6, to: count - 0.4, label });

  function drawSlowing(stage, { pair, factor, length, trained }, { slowed, unseen }, top, bottom) {
    const most = Math.max(2, factor, length / trained, ...slowed) * 1.15;
    const marks = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048].filter((by, at) => by <= most && (most < 40 || at % 2 === 0));
    const frame = plot.frame(stage, { left: 46, right: stage.width - 8, top, bottom }, pairs(slowed.length, ""),
      { scale: "log", from: 0.9, to: most, label: "slowed by", ticks: marks, format: (by) => `× ${by}` });
    stage.memory.frame = frame;
    plot.rule(frame, { x: pair }, "dashed");
    const stretch = length / trained;
    if (stretch > 1) {
      plot.rule(frame, { y: stretch }, "gray");
      plot.label(frame.group, frame.left + 6, frame.y(stretch) + 15, `growth of the context, × ${turns(stretch)}`, "gray small");
    }
    dots(frame, slowed, slowed.map((_, at) => (unseen[at] ? "red" : "blue")), pair);
  }

  function dots(frame, heights, colors, pair, kind = "dot") {
    heights.forEach((value, at) => {
      frame.inside.append("circle").attr("class", `${kind} ${colors[at]}`).attr("r", at === pair ? 6 : 3.2)
        .attr("cx", frame.x(at)).attr("cy", frame.y(value));
    });
  }

  function drawTurns(stage, { pair }, { seen, reached, unseen }, top, bottom) {
    const low = Math.min(...seen, ...reached) / 2, high = Math.max(...seen, ...reached) * 2;
    const frame = plot.frame(stage, { left: 46, right: stage.width - 8, top, bottom }, pairs(seen.length, "pair, fastest first"),
      { scale: "log", from: low, to: high, label: "turns: ring, in training; dot, at the end of what is read" });
    plot.rule(frame, { x: pair }, "dashed");
    plot.rule(frame, { y: 1 }, "");
    plot.label(frame.group, frame.left + 8, frame.y(1) - 7, "one full turn: every angle seen", "small");
    seen.forEach((from, at) => {
      frame.inside.append("line").attr("class", `line thin ${unseen[at] ? "red" : "gray"}`)
        .attr("x1", frame.x(at)).attr("x2", frame.x(at)).attr("y1", frame.y(from)).attr("y2", frame.y(reached[at]));
    });
    dots(frame, seen, seen.map(() => "gray"), pair, "ring");
    dots(frame, reached, reached.map((_, at) => (unseen[at] ? "red" : "blue")), pair);
    if (unseen.some(Boolean)) plot.label(frame.group, frame.left + 8, frame.bottom - 12, "red: angles that training never showed", "red small");
  }

  function drag(stage, { x }, { dim }) {
    const pair = Math.round(stage.memory.frame.x.invert(x));
    return { pair: Math.min(Math.max(pair, 0), dim / 2 - 1) };
  }

  explore.define("retrofit", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
