/* Accuracy by the distance of the answer, for models trained with different spectra: two of them in color. */
(function (global) {
  "use strict";

  const { d3, explore, exploreData, explorePlot: plot } = global;
  const TASKS = exploreData.distance;
  const SYSTEM = 0, HEAT = 1, LENGTH = 2, OCTAVE = 3, MEAN = 4, LOW = 5, HIGH = 6, ASKED = 7; // of a row

  const HEATS = { none: "none", "by position": "rises with the position", "by input": "rises with the length of the input" };

  const taskOf = ({ task }) => TASKS[task];
  const rowsOf = ({ task, length, heat }) =>
    TASKS[task].accuracy.filter((row) => row[LENGTH] === length && TASKS[task].temperatures[row[HEAT]] === heat);
  const systemsOf = (values) => {
    const there = new Set(rowsOf(values).map((row) => row[SYSTEM]));
    return taskOf(values).systems.filter((_, at) => there.has(at));
  };
  const named = (names) => names.map((name) => [name, name]);

  const first = TASKS[0];
  const controls = [
    { name: "task", label: "Task", kind: "choice", value: 0, options: TASKS.map(({ task }, at) => [at, task]) },
    {
      name: "length", label: "Length of the input", kind: "choice", value: first.lengths[2],
      options: (values) => taskOf(values).lengths.map((length) => [length, `${plot.count(length)} tokens`]),
    },
    { name: "heat", label: "Temperature on the scores", kind: "choice", value: "none", options: (values) => taskOf(values).temperatures.map((heat) => [heat, HEATS[heat] ?? heat]) },
    { name: "one", label: "Blue line", kind: "choice", value: "RoPE-ID", options: (values) => named(systemsOf(values)) },
    { name: "other", label: "Red line", kind: "choice", value: "RoPE", options: (values) => named(systemsOf(values)) },
  ];

  const start = { task: 0, one: "RoPE-ID", other: "RoPE" };
  const steps = [
    {
      do: "Ask within the trained length", set: { ...start, length: first.trained, heat: "none" },
      see: "Every spectrum finds nearly every answer, however far back it lies.",
    },
    {
      do: "Ask in the longest input", set: { ...start, length: first.lengths.at(-1), heat: "none" },
      see: "RoPE still finds what is near, and loses what lies farther back than an input of training was long. RoPE-ID finds it all the way.",
    },
    {
      do: "Let a temperature sharpen the scores", set: { ...start, length: first.lengths.at(-1), heat: "by position" },
      see: "RoPE finds a little more of what is far, and not much: no temperature mends angles that were never seen.",
    },
  ];

  function compute(values) {
    const rows = rowsOf(values), place = (name) => taskOf(values).systems.indexOf(name);
    const curve = (name) => rows.filter((row) => row[SYSTEM] === place(name)).sort((one, other) => one[OCTAVE] - other[OCTAVE])
      .map((row) => ({ distance: row[OCTAVE], mean: row[MEAN], low: row[LOW], high: row[HIGH], asked: row[ASKED] }));
    const curves = Object.fromEntries(systemsOf(values).map((name) => [name, curve(name)]));
    const least = curves[values.one].reduce((most, { asked }) => Math.min(most, asked), Infinity);
    return { curves, least };
  }

  const percent = (share) => `${Math.round(100 * share)} %`;

  function says({ length, one, other, task }, { curves, least }) {
    const { trained, seeds } = TASKS[task];
    const told = (name) => {
      const near = curves[name][0], far = curves[name].at(-1);
      return `${name} finds ${percent(near.mean)} of the answers at ${near.distance} ${near.distance === 1 ? "token" : "tokens"} and ${percent(far.mean)} from ${plot.count(far.distance)} on`;
    };
    const both = one === other ? told(one) : `${told(one)}; ${told(other)}`;
    return `Trained on ${plot.count(trained)} tokens, asked in ${plot.count(length)}: ${both}. Lines are means over ${seeds} models each, shades ` +
      `reach from the worst to the best; a point rests on at least ${least} questions of each model.`;
  }

  const height = (width) => (width < 520 ? 400 : 430);

  function draw(stage, values, { curves }) {
    const { trained } = taskOf(values), wide = stage.width >= 520;
    const last = Math.max(...Object.values(curves).flat().map(({ distance }) => distance));
    const frame = plot.frame(stage, { left: 46, right: stage.width - (wide ? 128 : 96), top: 28, bottom: stage.height - 42 },
      { scale: "log", from: 1, to: Math.max(last, 2), label: "distance of the answer, by octaves (tokens)", ticks: octaves(last, wide ? 1 : 2) },
      { from: 0, to: 1.02, label: "answers found", ticks: [0, 0.25, 0.5, 0.75, 1], format: percent });
    const chosen = { [values.other]: "red", [values.one]: "blue" };
    const rest = Object.keys(curves).filter((name) => !(name in chosen));
    const points = (name) => curves[name].map(({ distance, mean }) => [distance, mean]);
    for (const name of rest) plot.line(frame, points(name), "gray faint");
    if (trained <= last) {
      plot.rule(frame, { x: trained }, "dashed gray");
      plot.label(frame.group, frame.x(trained) - 4, frame.bottom - 7, `trained on ${plot.count(trained)}`, "gray small", "end");
    }
    for (const [name, color] of Object.entries(chosen)) {
      plot.band(frame, curves[name].map(({ distance, low, high }) => [distance, low, high]), color);
      plot.line(frame, points(name), color);
      for (const [distance, mean] of points(name)) {
        frame.group.append("circle").attr("class", `dot ${color}`).attr("r", 4).attr("cx", frame.x(distance)).attr("cy", frame.y(mean));
      }
    }
    const ends = Object.keys(curves).map((name) => ({ y: frame.y(curves[name].at(-1).mean), text: name, color: chosen[name] ?? "gray" }));
    const gap = Math.min(16, (frame.bottom - frame.top) / ends.length);
    for (const { y, text, color } of plot.spread(ends, gap, frame.top + 4, frame.bottom - 2)) {
      plot.label(frame.group, frame.right + 8, y + 4, text, `${color} small${color === "gray" ? "" : " strong"}`);
    }
    stage.memory.frame = frame;
  }

  const octaves = (last, step) => d3.range(0, Math.round(Math.log2(last)) + 1, step).map((power) => 2 ** power);

  function hover(stage, { x, y }, values) {
    const { frame } = stage.memory, { curves } = compute(values);
    const all = Object.entries(curves).flatMap(([name, curve]) => curve.map((point) => ({ name, ...point })));
    const far = ({ distance, mean }) => Math.hypot(frame.x(distance) - x, frame.y(mean) - y);
    const found = d3.least(all, far);
    if (!found || far(found) > 14) return null;
    return { x: frame.x(found.distance), y: frame.y(found.mean) - 12, text: `${found.name}: ${percent(found.mean)} from ${plot.count(found.distance)} tokens on` };
  }

  explore.define("distance", { controls, steps, compute, says, height, draw, hover });
})(globalThis);
