/* The keys and queries of one head as the input grows, in a plane, and the angles that were measured. */
(function (global) {
  "use strict";

  const { explore, exploreData, explorePlot: plot, d3 } = global;
  const MODELS = exploreData.clusters;
  const STAGES = [["post", "after the rotation"], ["pre", "before the rotation"]];

  const longest = ({ model }) => MODELS[model].lengths.at(-1);
  const controls = [
    { name: "model", label: "Model", kind: "choice", value: 0, options: MODELS.map(({ model, layer, head }, at) => [at, `${model}, layer ${layer}, key head ${head}`]) },
    { name: "stage", label: "Keys and queries", kind: "choice", value: "post", options: STAGES },
    { name: "length", label: "Length of the input", unit: "tokens", kind: "number", value: 512, from: 32, to: longest, log: true, whole: true },
  ];

  const steps = [
    {
      do: "Let the input grow", set: (values) => ({ ...values, stage: "post", length: longest(values) }),
      see: "Every new position turns its key a little farther, and the cluster becomes an arc. The angle between two keys grows with it.",
    },
    {
      do: "Look before the rotation", set: { model: 0, stage: "pre", length: longest({ model: 0 }) },
      see: "The same tokens: what the network writes hardly changes with the length. What smears the keys is the rotation.",
    },
    {
      do: "RoPE-ID, far beyond its training", set: { model: MODELS.findIndex(({ model }) => model.includes("RoPE-ID")), stage: "post", length: 4096 },
      see: "Its slowest pairs already turn fully within the training length. So its keys are scattered there, and scatter no farther beyond it.",
    },
  ];

  /* What a curve of measured angles says at the nearest length that was measured. */
  function compute({ model, stage, length }) {
    const { points, lengths, keys, own, between } = MODELS[model];
    const far = (one) => Math.abs(Math.log(one / length));
    const at = lengths.reduce((best, one, index) => (far(one) < far(lengths[best]) ? index : best), 0);
    const seen = (role) => points[stage][role].filter(([position]) => position < length);
    return {
      keys: seen("key"), queries: seen("query"), measured: lengths[at],
      spread: keys[stage][own][at], apart: between[stage][at], first: keys[stage][own][0],
    };
  }

  const place = (stage) => (stage === "post" ? "After" : "Before");

  function says({ model, stage, length }, { keys, queries, measured, spread, apart, first }) {
    const { model: name, declared, lengths, keys: all } = MODELS[model];
    const beyond = length > declared ? `, ${plot.count(Number((length / declared).toPrecision(2)))} times what ${name} declares` : "";
    const before = measured === lengths[0] ? "" : `, after ${Math.round(first)}° over ${plot.count(lengths[0])}`;
    return `${keys.length} keys and ${queries.length} queries of the first ${plot.count(length)} tokens${beyond}. ${place(stage)} the rotation two ` +
      `keys of this head stand at ${Math.round(spread)}° on average over ${plot.count(measured)} tokens${before}; ` +
      `a key and a query at ${Math.round(apart)}°. The gray lines are the other ${all[stage].length - 1} key heads.`;
  }

  const isWide = (width) => width >= 560;
  const height = (width) => (isWide(width) ? 390 : Math.min(width, 340) + 300);

  function draw(stage, values, found) {
    const wide = isWide(stage.width), side = wide ? Math.min(340, stage.width * 0.48) : Math.min(stage.width, 340);
    drawCloud(stage, values, found, { left: 4, top: 26, side: side - 8 });
    const left = wide ? side + 56 : 46, top = wide ? 26 : side + 66;
    drawAngles(stage, values, found, { left, right: stage.width - 22, top, bottom: top + (wide ? 310 : 180) });
  }

  function drawCloud(stage, { model, stage: when }, { keys, queries }, { left, top, side }) {
    const all = Object.values(MODELS[model].points).flatMap(Object.values).flat();
    const most = d3.max(all, ([, x, y]) => Math.max(Math.abs(x), Math.abs(y))) * 1.06;
    const x = d3.scaleLinear([-most, most], [left, left + side]), y = d3.scaleLinear([-most, most], [top + side, top]);
    const group = stage.layer.append("g");
    group.append("rect").attr("class", "ring open gray").attr("x", left).attr("y", top).attr("width", side).attr("height", side);
    for (const line of [[x(-most), y(0), x(most), y(0)], [x(0), y(-most), x(0), y(most)]]) {
      group.append("line").attr("class", "rule gray").attr("opacity", 0.5).attr("x1", line[0]).attr("y1", line[1]).attr("x2", line[2]).attr("y2", line[3]);
    }
    const newest = Math.max(...keys.map(([position]) => position), 1);
    for (const [rows, color] of [[queries, "red"], [keys, "blue"]]) {
      for (const [position, px, py] of rows) {
        group.append("circle").attr("class", `dot ${color}`).attr("r", 3.2).attr("opacity", 0.35 + (0.6 * position) / newest)
          .attr("cx", x(px)).attr("cy", y(py));
      }
    }
    const [, sx, sy] = keys[0];
    group.append("circle").attr("class", "ring open").attr("r", 7).attr("cx", x(sx)).attr("cy", y(sy));
    plot.label(group, left + 2, top - 9, "keys", "blue strong");
    plot.label(group, left + 44, top - 9, "queries", "red strong");
    plot.label(group, left + side, top - 9, when === "post" ? "after the rotation" : "before the rotation", "gray small", "end");
    plot.label(group, left + 8, top + side - 10, "ring: the key of token 0; cross: the origin", "gray small");
  }

  function drawAngles(stage, values, { spread, apart, measured }, { left, right, top, bottom }) {
    const { lengths, keys, own, between, declared } = MODELS[values.model], when = values.stage;
    const x = { scale: "log", from: 32, to: lengths.at(-1), label: "length of the input (tokens)" };
    x.ticks = plot.roomy(lengths, x, right - left);
    const frame = plot.frame(stage, { left, right, top, bottom }, x,
      { from: 0, to: 110, label: "mean angle (degrees)", ticks: [0, 30, 60, 90] });
    const points = (heights) => lengths.map((at, index) => [at, heights[index]]);
    keys[when].forEach((row, at) => at !== own && plot.line(frame, points(row), "gray faint"));
    plot.rule(frame, { x: declared }, "dashed gray");
    plot.label(frame.group, frame.x(declared) - 4, frame.bottom - 7, "declared", "gray small", "end");
    plot.line(frame, points(between[when]), "purple");
    plot.line(frame, points(keys[when][own]), "blue");
    plot.rule(frame, { x: values.length }, "");
    const marks = [{ y: frame.y(spread), text: `two keys ${Math.round(spread)}°`, color: "blue" }, { y: frame.y(apart), text: `key and query ${Math.round(apart)}°`, color: "purple" }];
    for (const { y, color } of marks) frame.group.append("circle").attr("class", `dot outlined ${color}`).attr("r", 5).attr("cx", frame.x(measured)).attr("cy", y);
    const onLeft = frame.x(measured) > (left + right) / 2;
    const apartMarks = plot.spread(marks.map((mark) => ({ ...mark, y: mark.y - (mark.color === "purple" ? 18 : -16) })), 17, frame.top + 8, frame.bottom - 10);
    for (const { y, text, color } of apartMarks) {
      plot.label(frame.group, frame.x(measured) + (onLeft ? -8 : 8), y + 4, text, `${color} strong`, onLeft ? "end" : "start", stage.width);
    }
    stage.memory.frame = frame;
  }

  function drag(stage, { x }, values) {
    const { frame } = stage.memory;
    if (x < frame.left - 20) return null;
    return { length: Math.min(Math.max(Math.round(frame.x.invert(x)), 32), longest(values)) };
  }

  explore.define("clusters", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
