/* The plane of context and base: bounds, the zone between them, published models, and a point to move. */
(function (global) {
  "use strict";

  const { explore, exploreData, explorePlot: plot, rope } = global;
  const CASES = exploreData.zone;
  const X = [500, 2e7], Y = [100, 2e10]; // tokens; bases
  const NEAR = 14; // pixels

  const KINDS = { works: "green", degrades: "orange", fails: "red" };
  const OWN = -1;

  const names = CASES.map(({ model, context }, index) => [index, `${model}, ${plot.count(context)} tokens`])
    .sort(([, one], [, other]) => one.localeCompare(other, "en"));
  const controls = [
    { name: "case", label: "A published model", kind: "choice", value: OWN, options: [[OWN, "– your own point –"], ...names] },
    { name: "context", label: "Context L", unit: "tokens", kind: "number", value: 16_384, from: X[0], to: X[1], log: true, whole: true },
    { name: "base", label: "Base", kind: "number", value: 100_000, from: Y[0], to: Y[1], log: true },
    { name: "layers", label: "Layers N", kind: "number", value: 32, from: 1, to: 128, whole: true },
    { name: "epsilon", label: "Similarity ε to keep", kind: "number", value: 0.95, from: 0.05, to: 0.999 },
    { name: "dtype", label: "Number type", kind: "choice", value: "float32", options: rope.DTYPES.map((name) => [name, name]) },
  ];

  const steps = [
    {
      do: "Ask for a million tokens", set: { case: OWN, context: 1_000_000, base: 5e6, layers: 32, epsilon: 0.95, dtype: "float32" },
      see: "At 32 layers the depth bound lies above the wall: no base would do. Then drag the layers down to 1 and watch the zone open.",
    },
    {
      do: "Compute in bfloat16", set: { case: OWN, context: 8192, base: 500_000, layers: 32, epsilon: 0.95, dtype: "bfloat16" },
      see: "The wall comes down to 128, and the zone is gone from the picture. Models were trained so, and work: is it the wall that decides?",
    },
    {
      do: "Relax ε to 0.5", set: { case: OWN, context: 131_072, base: 500_000, layers: 32, epsilon: 0.5, dtype: "float32" },
      see: "The lower edge falls, and more models lie inside. Compare how many that work and how many that fail.",
    },
  ];

  const placeOf = (base, bounds) => (base >= bounds.precision ? "above" : base < bounds.depth ? "below" : "inside");

  function compute({ context, base, layers, epsilon, dtype }) {
    const bounds = rope.bounds(context, layers, { epsilon, dtype });
    const places = CASES.map((one) => placeOf(one.base, rope.bounds(one.context, one.layers, { epsilon, dtype })));
    const inside = (kind) => CASES.filter((one, at) => one.observed === kind && places[at] === "inside").length;
    const all = (kind) => CASES.filter((one) => one.observed === kind).length;
    return {
      bounds, places,
      verdict: rope.classify(base, context, layers, { epsilon, dtype }),
      longest: bounds.precision * rope.allowedDrift(epsilon, layers),
      inside: Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, inside(kind)])),
      all: Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, all(kind)])),
    };
  }

  const MEANING = {
    infeasible: "no base would do, since the depth bound is not below the wall",
    beyond_precision: "it is not below the precision wall",
    aliased: "the slowest pair completes a turn within the context",
    unstable: "the slowest pair's cosine falls below ε",
    unstable_at_depth: "the product of the cosines of the layers falls below ε",
    stable: "it lies inside the zone",
  };

  function says({ context, base, layers, case: which }, { bounds, verdict, longest, inside, all }) {
    const name = which === OWN ? `Base ${plot.count(base)}` : `${CASES[which].model}, base ${plot.count(base)}`;
    const reach = bounds.depth < bounds.precision
      ? `The zone there runs from ${plot.count(bounds.depth)} to ${plot.count(bounds.precision)}`
      : `The zone there is empty`;
    return `${name}, at ${plot.count(context)} tokens and ${plot.count(layers)} ${layers === 1 ? "layer" : "layers"}: ${verdict.replaceAll("_", " ")}; ${MEANING[verdict]}. ` +
      `${reach}, and it closes at ${plot.count(longest)} tokens. By its own layers, ${inside.works} of ${all.works} cases that work ` +
      `lie inside their zone, ${inside.degrades} of ${all.degrades} that degrade, ${inside.fails} of ${all.fails} that fail.`;
  }

  const height = (width) => Math.round(Math.min(480, Math.max(340, width * 0.62)));

  function draw(stage, values, found) {
    const { context, base, layers, epsilon, dtype } = values, { bounds } = found;
    const frame = plot.frame(stage, { left: 56, right: stage.width - 8, top: 28, bottom: stage.height - 42 },
      { scale: "log", from: X[0], to: X[1], label: "context (tokens)" }, { scale: "log", from: Y[0], to: Y[1], label: "base" });
    stage.memory.frame = frame;
    const drifts = { aliasing: 2 * Math.PI, stability: rope.allowedDrift(epsilon), depth: rope.allowedDrift(epsilon, layers) };
    const wall = bounds.precision, depthAt = (tokens) => tokens / drifts.depth;
    const ends = Math.min(found.longest, X[1]);
    if (ends > X[0]) {
      plot.band(frame, [X[0], ends].map((tokens) => [tokens, depthAt(tokens), wall]), "blue");
    }
    const lines = { aliasing: ["red", "aliasing", 13], stability: ["gray", "DC stability", -6], depth: ["blue", `depth, ${layers} layers`, -6] };
    if (layers === 1) [lines.depth[1], lines.stability[1]] = ["DC stability = depth", ""];
    for (const [kind, [color, text, away]] of Object.entries(lines)) {
      plot.line(frame, X.map((tokens) => [tokens, tokens / drifts[kind]]), color);
      writeAlong(frame, drifts[kind], text, color, away);
    }
    plot.rule(frame, { y: wall }, "");
    const low = frame.y(wall) > frame.bottom - 30;
    plot.label(frame.group, frame.left + 8, frame.y(wall) - 7, `precision wall, ${dtype}`, low ? "strong" : "");
    if (frame.y(depthAt(X[0])) - frame.y(wall) > 60) plot.label(frame.group, frame.left + 8, frame.y(wall) + 20, "Goldilocks zone", "blue small");
    drawCases(frame, found.places);
    drawKey(stage, frame);

    const [x, y] = [frame.x(context), frame.y(base)];
    frame.inside.append("line").attr("class", "rule dashed").attr("x1", x).attr("x2", x).attr("y1", frame.top).attr("y2", frame.bottom);
    frame.group.append("circle").attr("class", "dot outlined").attr("r", 9).attr("cx", x).attr("cy", y);
    const text = found.verdict.replaceAll("_", " "), left = x > stage.width * 0.62;
    plot.label(frame.group, x + (left ? -14 : 14), y + 5, text, "strong", left ? "end" : "start", stage.width);
    stage.hold(x, y);
  }

  /* The name of a bound along its line, a little way up from where it enters the picture. */
  function writeAlong(frame, drift, text, color, away) {
    const slope = Math.atan2(frame.y(10 * Y[0]) - frame.y(Y[0]), frame.x(10 * X[0]) - frame.x(X[0]));
    const from = Math.max(X[0], Y[0] * drift), to = Math.min(X[1], Y[1] * drift);
    const at = from * (to / from) ** 0.86;
    if (!text || from >= to) return;
    const [x, y] = [frame.x(at), frame.y(at / drift)];
    plot.label(frame.group, 0, away, text, color, "end")
      .attr("transform", `translate(${x} ${y}) rotate(${(slope * 180) / Math.PI})`);
  }

  function drawCases(frame, places) {
    CASES.forEach(({ context, base, observed }, at) => {
      const mark = frame.inside.append("g").attr("class", "case").attr("transform", `translate(${frame.x(context)} ${frame.y(base)})`);
      markOf(mark, observed, places[at] === "inside" ? 5.5 : 4);
    });
  }

  function markOf(parent, observed, radius) {
    const color = KINDS[observed];
    if (observed === "works") parent.append("circle").attr("class", `dot ${color} outlined`).attr("r", radius);
    else if (observed === "degrades") parent.append("circle").attr("class", `ring ${color}`).attr("r", radius - 1);
    else {
      const size = radius - 1;
      parent.append("path").attr("class", `line ${color}`).attr("d", `M${-size} ${-size}L${size} ${size}M${size} ${-size}L${-size} ${size}`);
    }
  }

  function drawKey(stage, frame) {
    let x = frame.right - 4;
    for (const kind of Object.keys(KINDS).reverse()) {
      const text = plot.label(stage.layer, x, 17, kind, `small ${KINDS[kind]}`, "end");
      x -= text.node().getComputedTextLength() + 10;
      markOf(stage.layer.append("g").attr("transform", `translate(${x} 13)`), kind, 5);
      x -= 16;
    }
  }

  function nearest(stage, { x, y }) {
    const { frame } = stage.memory;
    const far = ({ context, base }) => Math.hypot(frame.x(context) - x, frame.y(base) - y);
    const distances = CASES.map(far), least = Math.min(...distances);
    return least <= NEAR ? distances.indexOf(least) : null;
  }

  let isHeld = false; // the point, by the pointer: a press on a model chooses that instead
  function drag(stage, point, { context, base }) {
    const { frame } = stage.memory;
    if (point.begins) {
      const own = Math.hypot(frame.x(context) - point.x, frame.y(base) - point.y);
      const found = own <= NEAR ? null : nearest(stage, point);
      isHeld = found === null;
      if (found !== null) return { case: found };
    }
    if (!isHeld) return null;
    const between = (value, [from, to]) => Math.min(Math.max(value, from), to);
    return {
      context: Math.round(between(frame.x.invert(point.x), X)),
      base: Number(between(frame.y.invert(point.y), Y).toPrecision(3)),
    };
  }

  function hover(stage, point) {
    const found = nearest(stage, point);
    if (found === null) return null;
    const { model, context, base, observed, layers } = CASES[found], { frame } = stage.memory;
    return { x: frame.x(context), y: frame.y(base) - 12, text: `${model}: ${layers} layers, ${observed}` };
  }

  /* A model that is chosen moves the point; a point that is moved is the reader's own. */
  function follow(some) {
    if ("case" in some && some.case !== OWN) {
      const { context, base, layers } = CASES[some.case];
      return { context, base, layers };
    }
    return ["context", "base", "layers"].some((name) => name in some) && !("case" in some) ? { case: OWN } : {};
  }

  explore.define("zone", { controls, steps, compute, says, height, draw, drag, both: true, hover, follow });
})(globalThis);
