/* Which base carries farther? Accuracy against the base, by task, at the trained length and at multiples of it. */
(function (global) {
  "use strict";

  const { d3, explore, exploreData, explorePlot: plot } = global;
  const { trained, bases, stretches, tasks } = exploreData.bases;
  const COLORS = ["blue", "green", "red"]; // of the tasks, as in the chapters
  const LOST = 0.1; // above chance: no base is worth naming

  const controls = [
    {
      name: "stretch", label: "Length of the input", kind: "choice", value: 16,
      options: stretches.map((stretch) => [stretch, stretch === 1 ? `${trained} tokens, as in training` : `${trained * stretch} tokens, ${stretch} times that`]),
    },
    { name: "base", label: "Base", kind: "choice", value: 100_000, options: bases.map((base) => [base, plot.count(base)]) },
  ];

  const steps = [
    {
      do: "Ask within the trained length", set: { stretch: 1, base: 100_000 },
      see: "Every base will do, in every task, down to one of hardly more than 1. The bounds of paper A ask for a base larger than the length.",
    },
    {
      do: "Ask in longer inputs, at a large base", set: { stretch: 16, base: 100_000 },
      see: "What is found by its content (recall) is still found. What is found by its place (look back) is mostly lost.",
    },
    {
      do: "Make the base small", set: { stretch: 16, base: 2 },
      see: "Now it is the other way around. Copying is lost at every base.",
    },
  ];

  function compute({ stretch, base }) {
    const at = stretches.indexOf(stretch), place = bases.indexOf(base);
    return Object.fromEntries(tasks.map(({ task, above }) => {
      const means = above[at].map((seeds) => d3.mean(seeds));
      return [task, { means, here: means[place], best: bases[d3.maxIndex(means)], most: d3.max(means) }];
    }));
  }

  const percent = (share) => `${Math.round(100 * share)} %`;
  const listed = (parts) => `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;

  function says({ stretch, base }, found) {
    const where = stretch === 1 ? `in ${trained} tokens, as in training` : `in ${trained * stretch} tokens`;
    const here = listed(Object.entries(found).map(([task, { here }]) => `${percent(here)} in ${task}`));
    const best = Object.entries(found).map(([task, { best, most }]) =>
      (most < LOST ? `${task} at no base` : `${task} at ${plot.count(best)}, with ${percent(most)}`));
    return `Trained on ${trained} tokens and asked ${where}, models with base ${plot.count(base)} reach ${here}, where 0 % is guessing. ` +
      `Each task does best: ${best.join("; ")}. Lines are means over the models, dots single ones.`;
  }

  const height = (width) => (width < 520 ? 320 : 350);

  function draw(stage, { stretch, base }, found) {
    const at = stretches.indexOf(stretch);
    const axis = { scale: "log", from: bases[0] / 1.15, to: bases.at(-1) * 1.5 };
    const frame = plot.frame(stage, { left: 46, right: stage.width - 84, top: 28, bottom: stage.height - 42 },
      { ...axis, label: "base", ticks: plot.roomy(bases, axis, stage.width - 130, 34), format: plot.count },
      { from: -0.05, to: 1.04, label: "accuracy above chance", ticks: [0, 0.25, 0.5, 0.75, 1], format: percent });
    stage.memory.frame = frame;
    plot.rule(frame, { x: base }, "");
    tasks.forEach(({ task, above }, which) => {
      const color = COLORS[which];
      above[at].forEach((seeds, place) => seeds.forEach((value) => {
        frame.inside.append("circle").attr("class", `dot faint ${color}`).attr("r", 2.5).attr("cx", frame.x(bases[place])).attr("cy", frame.y(value));
      }));
      plot.line(frame, found[task].means.map((mean, place) => [bases[place], mean]), color);
      frame.group.append("circle").attr("class", `dot outlined ${color}`).attr("r", 6).attr("cx", frame.x(base)).attr("cy", frame.y(found[task].here));
    });
    const ends = tasks.map(({ task }, which) => ({ y: frame.y(found[task].means.at(-1)), text: task, color: COLORS[which] }));
    for (const { y, text, color } of plot.spread(ends, 17, frame.top + 4, frame.bottom - 2)) {
      plot.label(frame.group, frame.right + 8, y + 4, text, `${color} strong`);
    }
  }

  const drag = (stage, { x }) => ({ base: d3.least(bases, (base) => Math.abs(stage.memory.frame.x(base) - x)) });

  explore.define("bases", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
