/* One oscillator against the whole bank, all alike or weighed as a real head weighs them. */
(function (global) {
  "use strict";

  const { explore, exploreData, explorePlot: plot, rope } = global;
  const MODELS = exploreData.head;
  const BEYOND = 1.3; // how far past the period of the slowest pair the picture goes
  const SAMPLES = 24; // distances in a column of the picture
  const COLUMN = 2; // pixels

  const layerOf = ({ model, layer }) => MODELS[model].layers[layer];
  const weightsOf = (values) => layerOf(values).weights[values.head];
  const pairsOf = (values) => layerOf(values).weights[0].length;
  const freqsOf = (values) => rope.frequencies(layerOf(values).base, 2 * pairsOf(values));
  const periodOf = (freq) => (2 * Math.PI) / freq;
  const farthest = (values) => Math.ceil(BEYOND * periodOf(freqsOf(values).at(-1)));

  const controls = [
    { name: "model", label: "Model", kind: "choice", value: 0, options: MODELS.map(({ model }, at) => [at, model]) },
    { name: "layer", label: "Layer", kind: "number", value: 12, from: 0, to: ({ model }) => MODELS[model].layers.length - 1, whole: true },
    { name: "head", label: "Head", kind: "number", value: 0, from: 0, to: (values) => layerOf(values).weights.length - 1, whole: true },
    { name: "pair", label: "One pair to compare", kind: "number", value: 18, from: 0, to: (values) => pairsOf(values) - 1, whole: true },
    { name: "distance", label: "Distance", unit: "tokens", kind: "number", value: 1000, from: 1, to: farthest, log: true, whole: true },
  ];

  const heaviest = (weights) => weights.indexOf(Math.max(...weights));
  const atItsPeriod = (values, pair) => ({ pair, distance: Math.round(periodOf(freqsOf(values)[pair])) });

  /* The layer and head of a model that leans on the fewest pairs. */
  function narrowest(model) {
    let best = { most: -1 };
    MODELS[model].layers.forEach(({ weights }, layer) => weights.forEach((row, head) => {
      const most = 1 / effective(row);
      if (most > best.most) best = { most, layer, head };
    }));
    return { layer: best.layer, head: best.head };
  }

  const steps = [
    {
      do: "Go to the period of the slowest pair", set: (values) => atItsPeriod(values, pairsOf(values) - 1),
      see: "The oscillator alone is back where it was: paper A's horizon. The head's bank, in blue, is not, since its other pairs are elsewhere.",
    },
    {
      do: "Go to the period of the head's heaviest pair", set: (values) => atItsPeriod(values, heaviest(weightsOf(values))),
      see: "About here most heads come nearest to themselves again: a bank of few oscillators swings with the heaviest of them.",
    },
    {
      do: "Take the head that leans on the fewest pairs",
      set: ({ model }) => {
        const values = { model, ...narrowest(model) };
        return { ...values, ...atItsPeriod(values, heaviest(weightsOf(values))) };
      },
      see: "It swings far. The same pairs all alike, in gray, hardly swing at all.",
    },
  ];

  function effective(weights) {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return sum ** 2 / weights.reduce((total, weight) => total + weight ** 2, 0);
  }

  function compute(values) {
    const { distance, pair } = values, freqs = freqsOf(values), weights = weightsOf(values);
    const whole = weights.reduce((total, weight) => total + weight, 0);
    const bank = (weigh, at) => freqs.reduce((total, freq, index) => total + weigh(index) * Math.cos(at * freq), 0);
    const own = (index) => weights[index] / whole;
    return {
      freqs, weights: weights.map((weight) => weight / whole),
      effective: effective(weights),
      one: Math.cos(distance * freqs[pair]),
      equal: bank(() => 1 / freqs.length, distance),
      own: bank(own, distance),
      neighbor: bank(own, 1),
      period: periodOf(freqs[pair]),
      horizon: periodOf(freqs.at(-1)),
      heaviest: heaviest(weights),
    };
  }

  const signed = (value) => value.toFixed(2).replace("-", "−").replace("−0.00", "0.00");

  function says(values, { effective: number, one, equal, own, neighbor, period, freqs, heaviest: heavy }) {
    const { distance, pair } = values, { layer, kind } = layerOf(values);
    return `Layer ${layer}, head ${values.head} of ${kind} leans on ${number.toFixed(1)} of ${freqs.length} pairs, most on pair ${heavy}. ` +
      `At a distance of ${plot.count(distance)} tokens pair ${pair}, which turns once in ${plot.count(period)}, has a cosine of ${signed(one)}; ` +
      `the bank with equal weights a similarity of ${signed(equal)}; the head's own of ${signed(own)}, after ${signed(neighbor)} between neighbors.`;
  }

  const height = () => 480;

  function draw(stage, values, found) {
    drawWeights(stage, values, found, 28, 120);
    drawSimilarity(stage, values, found, 200, 438);
  }

  function drawWeights(stage, { pair }, { weights, heaviest: heavy }, top, bottom) {
    const most = Math.max(...weights);
    const frame = plot.frame(stage, { left: 46, right: stage.width - 8, top, bottom },
      { from: -0.6, to: weights.length - 0.4, label: "pair, fastest first" },
      { from: 0, to: most * 1.15, label: "weight of each pair in this head", format: (value) => `${Number((100 * value).toPrecision(3))} %` });
    const wide = Math.max(1, (0.7 * (frame.right - frame.left)) / weights.length);
    weights.forEach((weight, at) => {
      frame.group.append("rect").attr("class", `bar ${at === pair ? "red" : "blue"}`).attr("x", frame.x(at) - wide / 2).attr("width", wide)
        .attr("y", frame.y(weight)).attr("height", bottom - frame.y(weight));
    });
    const far = heavy > weights.length * 0.7;
    plot.label(frame.group, frame.x(heavy) + (far ? -8 : 8), frame.y(most) + 8, `pair ${heavy}`, "blue small", far ? "end" : "start");
    if (pair !== heavy) plot.label(frame.group, frame.x(pair), frame.y(weights[pair]) - 5, `pair ${pair}`, "red small", "middle", stage.width);
    stage.memory.split = bottom + 40;
    stage.memory.pairs = frame;
  }

  let known = { key: "", curves: null };

  /* The lowest and highest similarity in each column of the picture: [distance, low, high]. */
  function curves(values, frame) {
    const key = JSON.stringify([values.model, values.layer, values.head, values.pair, frame.right]);
    if (known.key === key) return known.curves;
    const freqs = freqsOf(values), weights = weightsOf(values), whole = weights.reduce((sum, weight) => sum + weight, 0);
    const found = { one: [], equal: [], own: [] };
    for (let at = frame.left; at <= frame.right; at += COLUMN) {
      const from = frame.x.invert(at), to = frame.x.invert(at + COLUMN), step = Math.max(1, (to - from) / SAMPLES);
      const low = { one: 2, equal: 2, own: 2 }, high = { one: -2, equal: -2, own: -2 };
      for (let distance = Math.max(1, from); distance <= Math.max(to, from + 1e-9); distance += step) {
        const now = { one: 0, equal: 0, own: 0 };
        freqs.forEach((freq, index) => {
          const cosine = Math.cos(distance * freq);
          now.equal += cosine / freqs.length;
          now.own += (cosine * weights[index]) / whole;
          if (index === values.pair) now.one = cosine;
        });
        for (const name of Object.keys(now)) {
          low[name] = Math.min(low[name], now[name]);
          high[name] = Math.max(high[name], now[name]);
        }
      }
      for (const name of Object.keys(found)) found[name].push([from, low[name], high[name]]);
    }
    known = { key, curves: found };
    return found;
  }

  function drawSimilarity(stage, values, found, top, bottom) {
    const { distance } = values, { reach, kind } = layerOf(values);
    const frame = plot.frame(stage, { left: 46, right: stage.width - 8, top, bottom },
      { scale: "log", from: 1, to: farthest(values), label: "distance (tokens)" },
      { from: -1.06, to: 1.06, ticks: [-1, -0.5, 0, 0.5, 1], label: "similarity to distance 0", format: (value) => String(value).replace("-", "−") });
    stage.memory.frame = frame;
    const drawn = curves(values, frame);
    plot.band(frame, drawn.one, "red");
    for (const [name, color] of [["one", "red thin"], ["equal", "gray"], ["own", "blue"]]) {
      const middle = drawn[name].map(([at, low, high]) => [at, (low + high) / 2]);
      if (name !== "one") plot.band(frame, drawn[name], color);
      const isWide = drawn[name].findIndex(([, low, high]) => high - low > 0.8);
      plot.line(frame, isWide > 0 ? middle.slice(0, isWide) : middle, color);
    }
    const lengths = [[reach, kind.includes("window") ? "window" : "declared", 22], [found.horizon, "slowest pair", 6]];
    for (const [at, text, above] of lengths) {
      plot.rule(frame, { x: at }, "dashed gray");
      plot.label(frame.group, frame.x(at) - 4, frame.bottom - above, `${text} ${plot.count(at)}`, "gray small", "end");
    }
    plot.rule(frame, { x: distance }, "");
    const x = frame.x(distance), left = x > (frame.left + frame.right) / 2;
    const marks = [["one", `pair ${values.pair}: `, "red"], ["equal", "all alike: ", "gray"], ["own", "this head: ", "blue"]]
      .map(([name, text, color]) => ({ y: frame.y(found[name]), text: text + signed(found[name]), color }));
    for (const { y, color } of marks) {
      frame.group.append("circle").attr("class", `dot outlined ${color}`).attr("r", 5).attr("cx", x).attr("cy", y);
    }
    for (const { y, text, color } of plot.spread(marks, 17, frame.top + 6, frame.bottom - 24)) {
      plot.label(frame.group, x + (left ? -10 : 10), y + 4, text, `${color} strong`, left ? "end" : "start", stage.width);
    }
  }

  function drag(stage, { x, y, begins }, values) {
    const { frame, pairs, split } = stage.memory;
    if (begins) drag.below = y > split;
    if (!drag.below) return { pair: Math.min(Math.max(Math.round(pairs.x.invert(x)), 0), pairsOf(values) - 1) };
    return { distance: Math.min(Math.max(Math.round(frame.x.invert(x)), 1), farthest(values)) };
  }

  explore.define("head", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
