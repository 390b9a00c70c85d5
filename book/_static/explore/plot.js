/* Drawing for explorables, with D3: a stage that keeps its size and its handles, axes, labels that keep apart.

   Sets one global, `explorePlot`. Colors come from the style sheet, by class, and follow the book's theme. What is
   drawn lies on a layer that takes no pointer: a touch that began on a line must not end when that is redrawn. */
(function (global) {
  "use strict";

  const { d3 } = global, { count, decade } = global.ropeNumbers;
  const SLIP = 5; // pixels that a finger may slip in a tap
  let clips = 0;

  /* The place where an explorable draws: `layer` is emptied at each drawing, `memory` keeps scales until the next. */
  function stage(element, spec, onDrag) {
    const svg = d3.select(element).append("svg").attr("class", "explore-figure").attr("role", "img");
    const layer = svg.append("g").attr("class", "explore-layer");
    const hit = svg.append("rect").attr("class", "explore-hit").attr("fill", "transparent");
    const handle = svg.append("circle").attr("class", "explore-handle").attr("r", 22).attr("fill", "transparent")
      .attr("display", "none");
    const hint = svg.append("g").attr("class", "explore-hint explore-layer");
    const made = {
      svg, layer, width: 0, height: 0, memory: {},
      size(width, height) {
        [made.width, made.height, made.memory] = [width, height, {}];
        svg.attr("width", width).attr("height", height).attr("viewBox", `0 0 ${width} ${height}`);
        hit.attr("width", width).attr("height", height);
        layer.selectAll("*").remove();
        hint.selectAll("*").remove();
      },
      describe: (text) => svg.attr("aria-label", text),
      /* Where a finger can take hold of what moves both ways. */
      hold: (x, y) => handle.attr("display", null).attr("cx", x).attr("cy", y),
      onHover(about) {
        hit.on("pointermove", (event) => {
          hint.selectAll("*").remove();
          const [x, y] = d3.pointer(event, svg.node()), found = event.buttons ? null : about({ x, y });
          if (found) label(hint, found.x, found.y, found.text, "strong", anchorAt(found.x, made.width), made.width);
        });
        hit.on("pointerleave", () => hint.selectAll("*").remove());
      },
    };
    if (spec.drag) {
      let start = null, moved = false;
      const isTouch = (event) => event.sourceEvent.type.startsWith("touch");
      const drag = d3.drag().container(svg.node())
        .on("start", (event) => {
          [start, moved] = [{ x: event.x, y: event.y }, !isTouch(event)];
          if (moved) onDrag({ ...start, begins: true });
        })
        .on("drag", (event) => { // a finger that moves up or down scrolls the page
          const begins = !moved;
          moved ||= spec.both || Math.abs(event.x - start.x) > SLIP;
          if (moved) onDrag({ x: event.x, y: event.y, begins });
        })
        .on("end", (event) => {
          if (!moved && event.sourceEvent.type !== "touchcancel") onDrag({ ...start, begins: true });
        });
      svg.call(drag).style("touch-action", "pan-y").classed("can-drag", true);
      handle.style("touch-action", "none");
    }
    return made;
  }

  const anchorAt = (x, width) => (x < width * 0.25 ? "start" : x > width * 0.75 ? "end" : "middle");

  /* A box inside the stage with a scale along each side. `x`, `y`: { scale, from, to, label, ticks, format }, scale is
     linear, log or symlog. Returns { x, y, add, left, right, top, bottom }. */
  function frame(stage, box, x, y) {
    const { left, right, top, bottom } = box, group = stage.layer.append("g");
    const along = scaleOf(x).range([left, right]), up = scaleOf(y).range([bottom, top]);
    const place = (axis, scale, length, each) => (axis.ticks ?? ticks(axis, scale, Math.max(2, Math.floor(length / each))));
    const xTicks = place(x, along, right - left, 58), yTicks = place(y, up, bottom - top, 30);
    const grid = group.append("g").attr("class", "grid");
    for (const value of xTicks) grid.append("line").attr("x1", along(value)).attr("x2", along(value)).attr("y1", top).attr("y2", bottom);
    for (const value of yTicks) grid.append("line").attr("x1", left).attr("x2", right).attr("y1", up(value)).attr("y2", up(value));
    const axis = (made, values, format, move) => {
      const drawn = group.append("g").attr("class", "axis").attr("transform", move)
        .call(made.tickValues(values).tickFormat(format).tickSize(0).tickPadding(7));
      drawn.attr("font-size", null).attr("font-family", null);
    };
    axis(d3.axisBottom(along), xTicks, x.format ?? formatOf(x), `translate(0 ${bottom})`);
    axis(d3.axisLeft(up), yTicks, y.format ?? formatOf(y), `translate(${left} 0)`);
    group.append("text").attr("class", "axis-label").attr("x", right).attr("y", bottom + 34).attr("text-anchor", "end").text(x.label);
    group.append("text").attr("class", "axis-label").attr("x", left < 100 ? 2 : left - 30).attr("y", top - 11).text(y.label);
    clips += 1;
    const clip = `explore-clip-${clips}`;
    group.append("clipPath").attr("id", clip).append("rect").attr("x", left).attr("y", top - 1)
      .attr("width", right - left + 1).attr("height", bottom - top + 2);
    const inside = group.append("g").attr("clip-path", `url(#${clip})`);
    return { x: along, y: up, group, inside, left, right, top, bottom };
  }

  function scaleOf({ scale = "linear", from, to }) {
    const made = { linear: d3.scaleLinear, log: d3.scaleLog, symlog: d3.scaleSymlog }[scale]();
    return made.domain([from, to]);
  }

  function ticks({ scale, from, to }, made, most) {
    if (scale !== "log" && scale !== "symlog") return made.ticks(most);
    const first = Math.ceil(Math.log10(Math.max(from, 1e-30)) - 1e-9), last = Math.floor(Math.log10(to) + 1e-9);
    if (scale === "symlog") return [0, ...powers(0, last, most - 1)];
    return powers(first, last, most);
  }

  /* Those of some values, ascending, that have room for their labels on an axis of so many pixels; the last has. */
  function roomy(values, axis, pixels, room = 48) {
    const at = scaleOf(axis).range([0, pixels]), kept = [];
    for (const value of [...values].reverse()) {
      if (!kept.length || at(kept[0]) - at(value) >= room) kept.unshift(value);
    }
    return kept;
  }

  function powers(first, last, most) {
    const step = Math.max(1, Math.ceil((last - first + 1) / most)), found = [];
    for (let power = first; power <= last; power += step) found.push(10 ** power);
    return found;
  }

  function formatOf({ scale }) {
    return (value) => {
      if (scale !== "log" && scale !== "symlog") return value.toLocaleString("en-US");
      if (value === 0 || value >= 0.001) return value >= 1 || value === 0 ? decade(value) : String(Number(value.toPrecision(1)));
      return power(value);
    };
  }

  /* A power of ten below one: 10⁻⁵. */
  function power(value) {
    const digits = String(Math.abs(Math.round(Math.log10(value))));
    return `10⁻${[...digits].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
  }

  function line(frame, points, kind) {
    const path = d3.line().x(([x]) => frame.x(x)).y(([, y]) => frame.y(y)).defined(([, y]) => Number.isFinite(y));
    frame.inside.append("path").attr("class", `line ${kind}`).attr("d", path(points));
  }

  /* The band between two heights at each x: points [x, low, high]. */
  function band(frame, points, kind) {
    const area = d3.area().x(([x]) => frame.x(x)).y0(([, low]) => frame.y(low)).y1(([, , high]) => frame.y(high));
    frame.inside.append("path").attr("class", `band ${kind}`).attr("d", area(points));
  }

  function rule(frame, { x, y }, kind) {
    const at = frame.inside.append("line").attr("class", `rule ${kind}`);
    if (x !== undefined) at.attr("x1", frame.x(x)).attr("x2", frame.x(x)).attr("y1", frame.top).attr("y2", frame.bottom);
    else at.attr("x1", frame.left).attr("x2", frame.right).attr("y1", frame.y(y)).attr("y2", frame.y(y));
  }

  /* A text with a halo; with a `width`, moved so that it ends within the drawing. */
  function label(parent, x, y, text, kind = "", anchor = "start", width = null) {
    const made = parent.append("text").attr("class", `label ${kind}`).attr("x", x).attr("y", y)
      .attr("text-anchor", anchor).text(text);
    if (width === null) return made;
    const wide = made.node().getComputedTextLength(), start = x - wide * { start: 0, middle: 0.5, end: 1 }[anchor];
    const inside = Math.min(Math.max(start, 2), Math.max(2, width - wide - 2));
    return made.attr("x", x + inside - start);
  }

  /* Heights moved apart so that no two are nearer than `gap`, in their order: [{ y, … }, …]. */
  function spread(items, gap, top, bottom) {
    const sorted = [...items].sort((one, other) => one.y - other.y).map((item) => ({ ...item }));
    sorted.forEach((item, at) => { if (at) item.y = Math.max(item.y, sorted[at - 1].y + gap); });
    let limit = bottom;
    for (const item of [...sorted].reverse()) {
      item.y = Math.max(top, Math.min(item.y, limit));
      limit = item.y - gap;
    }
    return sorted;
  }

  /* How many, in words where there are none. */
  const many = (number) => (number === 0 ? "none" : count(number));

  global.explorePlot = { anchorAt, band, count, decade, frame, label, line, many, power, roomy, rule, spread, stage };
})(globalThis);
