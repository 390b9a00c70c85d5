/* The oscillators as clocks: two hands for each pair, the query's and the key's, and the angle between them. */
(function (global) {
  "use strict";

  const { d3, explore, explorePlot: plot, rope } = global;
  const FARTHEST = 131_072; // tokens
  const CLOCKS = 8;
  const TURN = 2 * Math.PI;

  const controls = [
    { name: "distance", label: "Distance, key to query", unit: "tokens", kind: "number", value: 20, from: 0, to: FARTHEST, log: true, whole: true },
    { name: "key", label: "Position of the key", unit: "tokens", kind: "number", value: 100, from: 0, to: FARTHEST, log: true, whole: true },
    { name: "base", label: "Base", kind: "number", value: 10_000, from: 10, to: 1e9, log: true },
    { name: "dim", label: "Channels of the head", kind: "choice", value: 128, options: [[128, "128: 64 pairs"], [64, "64: 32 pairs"], [16, "16: 8 pairs"]] },
  ];

  const steps = [
    {
      do: "Move both tokens on, to position 1,000", set: { key: 1000, distance: 20, base: 10_000 },
      see: "Every hand turns. The angles between the two hands, and with them all cosines, stay: a score sees the distance alone.",
    },
    {
      do: "Set them one token apart", set: { key: 100, distance: 1, base: 10_000 },
      see: "Only the fast hands come apart. To the slow ones neighbors look the same.",
    },
    {
      do: "Set them 4,096 apart", set: { key: 100, distance: 4096, base: 10_000 },
      see: "The fast hands have gone around so often that they may point anywhere. What is left of the distance is in the slow ones.",
    },
    {
      do: "Raise the base to a million", set: { key: 100, distance: 4096, base: 1e6 },
      see: "More hands stay together. The bank forgets more slowly, and tells near places apart by fewer hands.",
    },
  ];

  function compute({ distance, base, dim }) {
    const freqs = rope.frequencies(base, dim), phases = freqs.map((freq) => distance * freq);
    const cosines = phases.map(Math.cos);
    return {
      freqs, phases, cosines,
      similarity: cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length,
      near: phases.filter((phase) => phase < TURN / 4).length,
      turned: phases.filter((phase) => phase >= TURN).length,
      slowest: TURN / freqs[freqs.length - 1],
    };
  }

  function says({ distance, key }, { similarity, near, turned, slowest, freqs }) {
    const pairs = freqs.length, apart = distance === 1 ? "1 token" : `${plot.count(distance)} tokens`;
    return `Key at ${plot.count(key)}, query at ${plot.count(key + distance)}, ${apart} apart. Of ${pairs} pairs ` +
      `${near} are less than a quarter turn apart, and ${turned} have come apart by a full turn or more. The similarity of the bank, ` +
      `the mean of the cosines, is ${signed(similarity)}. The slowest pair takes ${plot.count(slowest)} tokens for a turn.`;
  }

  const signed = (value) => value.toFixed(2).replace("-", "−").replace("−0.00", "0.00");

  /* How far two hands are apart, in words: degrees within a turn, else turns. */
  function apart(phase) {
    if (phase >= TURN) return `${plot.count(Number((phase / TURN).toPrecision(3)))} turns`;
    const degrees = (phase * 360) / TURN;
    return `${degrees === 0 || degrees >= 10 ? Math.round(degrees) : Number(degrees.toPrecision(1))}°`;
  }

  const inARow = (width) => (width < 520 ? 4 : CLOCKS);
  const height = (width) => 92 + (CLOCKS / inARow(width)) * (cellOf(width) + 44) + 190;
  const cellOf = (width) => Math.min(100, width / inARow(width));

  function draw(stage, values, found) {
    const { width } = stage, rows = CLOCKS / inARow(width);
    drawLine(stage, values);
    const clocksEnd = 92 + rows * (cellOf(width) + 44);
    drawClocks(stage, values, found);
    drawCosines(stage, found, clocksEnd + 22, stage.height - 40);
  }

  /* The text as a line, with the two tokens. */
  function drawLine(stage, { key, distance }) {
    const x = d3.scaleSymlog().domain([0, 2 * FARTHEST]).range([14, stage.width - 14]), y = 40, query = key + distance;
    const line = stage.layer.append("g");
    line.append("line").attr("class", "rule gray").attr("x1", 14).attr("x2", stage.width - 14).attr("y1", y).attr("y2", y);
    for (const at of [0, 1, 10, 100, 1000, 10_000, 100_000]) {
      line.append("line").attr("class", "rule gray").attr("x1", x(at)).attr("x2", x(at)).attr("y1", y).attr("y2", y + 5);
      line.append("text").attr("class", "small muted").attr("x", x(at)).attr("y", y + 19).attr("text-anchor", at === 0 ? "start" : "middle").text(plot.decade(at));
    }
    line.append("text").attr("class", "axis-label").attr("x", stage.width - 2).attr("y", y + 36).attr("text-anchor", "end").text("position in the text (tokens)");
    line.append("line").attr("class", "rule").attr("stroke-width", 3).attr("x1", x(key)).attr("x2", x(query)).attr("y1", y).attr("y2", y);
    line.append("circle").attr("class", "dot blue outlined").attr("r", 9).attr("cx", x(key)).attr("cy", y);
    line.append("circle").attr("class", "dot red outlined").attr("r", 7).attr("cx", x(query)).attr("cy", y);
    const near = x(query) - x(key) < 64;
    plot.label(line, x(key) - (near ? 4 : 0), y - 16, "key", "blue strong", near ? "end" : "middle", stage.width);
    plot.label(line, x(query) + (near ? 4 : 0), y - 16, "query", "red strong", near ? "start" : "middle", stage.width);
    stage.memory.x = x;
  }

  function drawClocks(stage, { key, distance }, { freqs, phases }) {
    const each = inARow(stage.width), cell = cellOf(stage.width), radius = cell / 2 - 9, step = stage.width / each;
    const arc = d3.arc().innerRadius(0).outerRadius(radius * 0.55);
    for (let at = 0; at < CLOCKS; at++) {
      const pair = Math.round((at * (freqs.length - 1)) / (CLOCKS - 1));
      const clock = stage.layer.append("g").attr("transform",
        `translate(${step * ((at % each) + 0.5)} ${92 + Math.floor(at / each) * (cell + 44) + cell / 2})`);
      clock.append("circle").attr("class", "ring gray").attr("r", radius);
      const from = (key * freqs[pair]) % TURN, to = from + (phases[pair] % TURN);
      // The angles of the book go around from the right, against the clock; D3's from the top, with it.
      clock.append("path").attr("class", "band purple").attr("d", arc({ startAngle: TURN / 4 - from, endAngle: TURN / 4 - to }));
      for (const [angle, kind] of [[from, "blue"], [to, "red"]]) {
        const [x, y] = [radius * Math.cos(angle), -radius * Math.sin(angle)];
        clock.append("line").attr("class", `line ${kind}`).attr("x2", x).attr("y2", y);
        clock.append("circle").attr("class", `dot ${kind}`).attr("r", 3.5).attr("cx", x).attr("cy", y);
      }
      clock.append("text").attr("class", "small strong").attr("y", cell / 2 + 7).attr("text-anchor", "middle").text(`pair ${pair}`);
      clock.append("text").attr("class", "small muted").attr("y", cell / 2 + 23).attr("text-anchor", "middle").text(apart(phases[pair]));
    }
  }

  function drawCosines(stage, { cosines, similarity }, top, bottom) {
    const last = cosines.length - 1;
    const frame = plot.frame(stage, { left: 40, right: stage.width - 8, top, bottom },
      { from: -0.5, to: last + 0.5, label: "pair, fastest first" },
      { from: -1.12, to: 1.12, ticks: [-1, 0, 1], label: "cosine of the angle between the hands", format: (value) => String(value).replace("-", "−") });
    const zero = frame.y(0), wide = Math.max(1.5, Math.min(9, (0.6 * (frame.right - frame.left)) / cosines.length));
    frame.group.selectAll("rect.bar").data(cosines).join("rect").attr("class", "bar purple")
      .attr("x", (_, pair) => frame.x(pair) - wide / 2).attr("width", wide)
      .attr("y", (cosine) => Math.min(zero, frame.y(cosine))).attr("height", (cosine) => Math.abs(frame.y(cosine) - zero));
    plot.rule(frame, { y: similarity }, "dashed");
    plot.label(frame.group, frame.right - 6, frame.y(-0.8), `dashed: mean ${signed(similarity)}, the similarity of the bank`, "strong", "end");
  }

  let taken = "query"; // by the pointer
  function drag(stage, { x, begins }, { key, distance }) {
    const scale = stage.memory.x, position = Math.max(0, Math.round(scale.invert(x)));
    if (begins) taken = Math.abs(x - scale(key + distance)) <= Math.abs(x - scale(key)) ? "query" : "key";
    return taken === "key" ? { key: position } : { distance: position - key };
  }

  explore.define("clocks", { controls, steps, compute, says, height, draw, drag });
})(globalThis);
