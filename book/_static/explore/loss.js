/* Loss by position in one long input: a model as it is, and the same model with one thing changed. */
(function (global) {
  "use strict";

  const { d3, explore, exploreData, explorePlot: plot } = global;
  const { model, declared, width: GRAIN, few: FEW, unchanged, changes } = exploreData.loss;
  const END = unchanged.length * GRAIN;

  const controls = [
    { name: "change", label: "Changed in the model (blue)", kind: "choice", value: 0, options: changes.map(({ label }, at) => [at, label]) },
    { name: "width", label: "Mean over", kind: "choice", value: 256, options: [128, 256, 512, 1024].map((width) => [width, `${plot.count(width)} tokens`]) },
    { name: "position", label: "Position", unit: "tokens", kind: "number", value: 14_000, from: 0, to: END - 1, whole: true },
  ];

  const place = (name) => changes.findIndex((change) => change.name === name);
  const steps = [
    {
      do: "Read just past the declared length", set: { position: declared + 500 },
      see: "Nothing happens yet. The loss leaves its band only some thousand tokens later, and then climbs to the end.",
    },
    {
      do: "Clip all distances", set: { change: place("clipped"), position: END - 500 },
      see: "Whatever lies farther back than the declared length is read as if it lay just there. No pair turns farther than in training, and the loss stays in its band.",
    },
    {
      do: "Hold the distance to the first token alone", set: { change: place("sink"), position: END - 500 },
      see: "The attention sink is read at a distance that the model knows, and the loss climbs as before: a lost sink is not what breaks it.",
    },
  ];

  /* Means of bins of `width` tokens. */
  const binned = (losses, width) => d3.range(0, END, width).map((first) => d3.mean(losses.slice(first / GRAIN, (first + width) / GRAIN)));

  /* The first position from which every bin lies above the band, if enough bins past it were measured, else null. */
  function breakOf(bins, highest, width) {
    const from = (d3.range(bins.length).findLast((at) => bins[at] <= highest) + 1) * width;
    return from <= END - FEW * width ? from : null;
  }

  function compute({ change, width, position }) {
    const own = binned(unchanged, width), changed = binned(changes[change].losses, width), inside = declared / width;
    const highest = d3.max(own.slice(0, inside)), at = Math.floor(position / width);
    const compared = [...own.slice(0, inside), ...changed.slice(inside)]; // beyond, against the model as it was shipped
    return {
      own, changed, highest, at,
      breaks: breakOf(own, highest, width), breaksChanged: breakOf(compared, highest, width),
    };
  }

  const nats = (loss) => `${loss.toFixed(2)} nats`;
  const fate = (from) => (from === null ? "never rises above that for good" : `rises above that for good at ${plot.count(from)} tokens`);

  function says({ change, position }, { own, changed, highest, at, breaks, breaksChanged }) {
    return `At ${plot.count(position)} tokens ${model} loses ${nats(own[at])} as it is, and ${nats(changed[at])} with this changed: ` +
      `${changes[change].label}. Within the declared ${plot.count(declared)} tokens its loss is at most ${nats(highest)}. ` +
      `Unchanged, it ${fate(breaks)}; changed, it ${fate(breaksChanged)}.`;
  }

  const height = (width) => (width < 520 ? 300 : 340);

  function draw(stage, { change, width, position }, { own, changed, highest, at }) {
    const wide = stage.width >= 520, middle = (_, place) => (place + 0.5) * width;
    const frame = plot.frame(stage, { left: 34, right: stage.width - 24, top: 28, bottom: stage.height - 42 },
      { from: 0, to: END, label: "position (tokens)", ticks: d3.range(0, END + 1, wide ? 2048 : 4096).filter((tick) => wide || tick < END) },
      { from: 0, to: 8, label: "loss (nats)", ticks: d3.range(0, 9, 2) });
    stage.memory.frame = frame;
    plot.rule(frame, { x: declared }, "dashed gray");
    plot.label(frame.group, frame.x(declared) - 5, frame.top + 14, `declared: ${plot.count(declared)}`, "gray small", "end");
    plot.rule(frame, { y: highest }, "dashed gray");
    plot.line(frame, changed.map((loss, place) => [middle(loss, place), loss]), "blue");
    plot.line(frame, own.map((loss, place) => [middle(loss, place), loss]), "red");
    plot.rule(frame, { x: position }, "");
    const ends = [
      { y: frame.y(own.at(-1)), text: "as it is", color: "red" },
      { y: frame.y(changed.at(-1)), text: "changed", color: "blue" },
    ];
    for (const { y, text, color } of plot.spread(ends, 20, frame.top + 12, frame.bottom - 8)) {
      plot.label(frame.group, frame.right - 4, y - 8, text, `${color} strong`, "end");
    }
    const x = frame.x(position);
    for (const [loss, color] of [[changed[at], "blue"], [own[at], "red"]]) {
      frame.group.append("circle").attr("class", `dot outlined ${color}`).attr("r", 6).attr("cx", x).attr("cy", frame.y(loss));
    }
  }

  const drag = (stage, { x }) => ({ position: Math.round(Math.min(Math.max(stage.memory.frame.x.invert(x), 0), END - 1)) });

  explore.define("loss", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
