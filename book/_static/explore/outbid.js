/* What the keys of real heads bid against the sink: all heads of a model at one length, and one head at all lengths. */
(function (global) {
  "use strict";

  const { d3, explore, exploreData, explorePlot: plot } = global;
  const MODELS = exploreData.outbid;
  const NEAR = 16; // pixels

  const headOf = ({ model, layer, head }) => MODELS[model].heads.find((one) => one.layer === layer && one.head === head);
  const layersOf = ({ model }) => [...new Set(MODELS[model].heads.map(({ layer }) => layer))];
  const lengthsOf = ({ model }) => MODELS[model].lengths;
  const headsIn = ({ model, layer }) => MODELS[model].heads.filter((one) => one.layer === layer).map(({ head }) => head);

  const controls = [
    { name: "model", label: "Model", kind: "choice", value: 0, options: MODELS.map(({ model }, at) => [at, model]) },
    { name: "length", label: "Length of the input", kind: "choice", value: MODELS[0].lengths[1], options: (values) => lengthsOf(values).map((length) => [length, `${plot.count(length)} tokens`]) },
    { name: "layer", label: "Layer", kind: "choice", value: 15, options: (values) => layersOf(values).map((layer) => [layer, `layer ${layer}`]) },
    { name: "head", label: "Head", kind: "choice", value: 0, options: (values) => headsIn(values).map((head) => [head, `head ${head}`]) },
  ];

  /* The layer and head for which a number is largest; null counts as none. */
  function best({ model }, number) {
    const found = d3.greatest(MODELS[model].heads, (one) => number(one) ?? -Infinity);
    return { layer: found.layer, head: found.head };
  }

  const steps = [
    {
      do: "Take the head whose sink holds most", set: (values) => ({ ...best(values, ({ sink }) => sink[0]), length: lengthsOf(values)[0] }),
      see: "Even the best of the unmatched keys bids below the sink, which keeps the attention. Nothing has to repel the others: they only bid less.",
    },
    {
      do: "Go to the longest input", set: (values) => ({ length: lengthsOf(values).at(-1) }),
      see: "More heads stand above the line. Compare red with orange, the best of as many keys as the shortest input has: where only red rises, there are more bidders, not bolder ones.",
    },
    {
      do: "Take a head that looks for matches", set: ({ model }) => {
        const where = MODELS[model].heads.some(({ match }) => match) ? model : 0;
        return { model: where, ...best({ model: where }, ({ match }) => match?.[0]), length: lengthsOf({ model: where })[0] };
      },
      see: "Green is the bid of a string that was copied close by, a match beyond doubt. Follow it past the declared length.",
    },
  ];

  function compute(values) {
    const { length } = values, { heads } = MODELS[values.model], at = lengthsOf(values).indexOf(length), own = headOf(values);
    const pick = (one) => Object.fromEntries(["best", "drawn", "mean", "wins", "sink", "unmatched", "match"].map((name) => [name, one[name]?.[at] ?? null]));
    const all = heads.map(pick);
    return {
      at, all, own: pick(own),
      above: all.filter(({ best: bid }) => bid !== null && bid > 0).length,
      known: all.filter(({ best: bid }) => bid !== null).length,
    };
  }

  const percent = (share) => (share === null ? "an unknown share" : share > 0 && share < 0.005 ? "less than 1 %" : `${Math.round(100 * share)} %`);
  const side = (bid) => (bid === null ? "at an unknown height" : `${Math.abs(bid).toFixed(1)} ${bid < 0 ? "below" : "above"} the sink`);

  function says({ model, length, layer, head }, { own, above, known }) {
    const { model: name, texts, declared } = MODELS[model];
    const past = length > declared ? `, past the ${plot.count(declared)} that it declares` : "";
    const copied = own.match === null ? "" : ` A copied string bids ${side(own.match)}.`;
    return `${name}, layer ${layer}, head ${head}, at ${plot.count(length)} tokens${past}: the best unmatched key bids ${side(own.best)} and outbids it ` +
      `in ${percent(own.wins)} of the queries; unmatched keys on average lie ${side(own.mean)}.${copied} The sink gets ${percent(own.sink)} of ` +
      `the attention, unmatched keys ${percent(own.unmatched)}. In ${above} of ${known} heads the mean best bid is above the sink ` +
      `(means over ${texts} texts).`;
  }

  const isWide = (width) => width >= 560;
  const height = (width) => (isWide(width) ? 400 : 660);

  function draw(stage, values, found) {
    const wide = isWide(stage.width), half = wide ? stage.width * 0.48 : stage.width;
    drawHeads(stage, values, found, { left: 46, right: half - 10, top: 28, bottom: wide ? 358 : 260 });
    const top = wide ? 28 : 348;
    drawBids(stage, values, found, { left: (wide ? half : 0) + 46, right: stage.width - 18, top, bottom: wide ? 358 : top + 270 });
  }

  /* Bids from the lowest to the highest of a model, so that lengths can be compared. */
  function reach(model, name) {
    const [low, high] = d3.extent(MODELS[model].heads.flatMap((one) => one[name]).filter((bid) => bid !== null));
    return { from: Math.min(low, -1) * 1.08, to: Math.max(high, 1) * 1.08 };
  }

  const minus = (value) => String(value).replace("-", "−");

  function drawHeads(stage, values, { all, own }, box) {
    const frame = plot.frame(stage, box,
      { from: -0.03, to: 1.03, label: "attention to the sink", ticks: [0, 0.25, 0.5, 0.75, 1], format: (value) => `${100 * value} %` },
      { ...reach(values.model, "best"), label: "best unmatched bid, over the sink's", format: minus });
    stage.memory.heads = frame;
    plot.rule(frame, { y: 0 }, "");
    all.forEach(({ best: bid, sink }) => {
      if (bid === null || sink === null) return;
      frame.inside.append("circle").attr("class", `dot faint ${bid > 0 ? "red" : "blue"}`).attr("r", 3.4).attr("cx", frame.x(sink)).attr("cy", frame.y(bid));
    });
    plot.label(frame.group, frame.right - 4, frame.top + 14, "each dot a head: sink outbid", "red small", "end");
    plot.label(frame.group, frame.right - 4, frame.bottom - 8, "sink not outbid", "blue small", "end");
    if (own.best !== null) {
      frame.group.append("circle").attr("class", "ring open").attr("r", 8).attr("cx", frame.x(own.sink)).attr("cy", frame.y(own.best));
      plot.label(frame.group, frame.x(own.sink) + 12, frame.y(own.best) + 4, "this head", "strong small", "start", frame.right);
    }
  }

  function drawBids(stage, values, { at }, box) {
    const lengths = lengthsOf(values), own = headOf(values), { declared } = MODELS[values.model];
    const lines = [["best", "best unmatched", "red"], ["drawn", "best of as many", "orange"], ["mean", "mean unmatched", "gray"]];
    if (own.match) lines.push(["match", "copied string", "green"]);
    const bids = lines.flatMap(([name]) => own[name]).filter((bid) => bid !== null);
    const x = { scale: "log", from: lengths[0] / 1.15, to: lengths.at(-1) * 1.15, label: "length of the input (tokens)" };
    x.ticks = plot.roomy(lengths, x, box.right - box.left);
    const low = Math.min(-1, ...bids), high = Math.max(1, ...bids), margin = (high - low) * 0.08;
    const frame = plot.frame(stage, box, x,
      { from: low - margin, to: high + margin, label: `bids in layer ${values.layer}, head ${values.head}, over the sink's`, format: minus });
    stage.memory.bids = frame;
    plot.rule(frame, { y: 0 }, "");
    plot.rule(frame, { x: lengths[at] }, "gray");
    if (declared <= x.to) {
      plot.rule(frame, { x: declared }, "dashed gray");
      plot.label(frame.group, frame.x(declared) - 4, frame.bottom - 7, "declared", "gray small", "end");
    }
    const marks = [{ y: frame.y(0) - 8, text: "the sink", color: "" }];
    for (const [name, text, color] of lines) {
      const points = own[name].map((bid, index) => [lengths[index], bid ?? NaN]);
      plot.line(frame, points, color);
      for (const [length, bid] of points) {
        if (Number.isFinite(bid)) frame.group.append("circle").attr("class", `dot ${color}`).attr("r", length === lengths[at] ? 5 : 3).attr("cx", frame.x(length)).attr("cy", frame.y(bid));
      }
      const first = points.find(([, bid]) => Number.isFinite(bid));
      if (first) marks.push({ y: frame.y(first[1]) + (name === "drawn" ? 17 : -8), text, color });
    }
    for (const { y, text, color } of plot.spread(marks, 15, frame.top + 10, frame.bottom - 6)) {
      plot.label(frame.group, frame.left + 8, y, text, `${color} small strong`);
    }
  }

  /* A press on a dot takes that head; a press on the other picture, the nearest length. */
  function drag(stage, { x, y, begins }, values) {
    const { heads: frame, bids } = stage.memory, inHeads = x <= frame.right + 4 && y <= frame.bottom;
    if (!begins) return null;
    if (!inHeads) {
      const far = (length) => Math.abs(bids.x(length) - x);
      return { length: d3.least(lengthsOf(values), far) };
    }
    const { all } = compute(values);
    const far = ({ best: bid, sink }) => (bid === null ? Infinity : Math.hypot(frame.x(sink) - x, frame.y(bid) - y));
    const nearest = d3.leastIndex(all, (one, other) => far(one) - far(other));
    if (far(all[nearest]) > NEAR) return null;
    const { layer, head } = MODELS[values.model].heads[nearest];
    return { layer, head };
  }

  explore.define("outbid", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
