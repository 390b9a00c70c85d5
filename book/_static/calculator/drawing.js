/* The calculator's two figures, as SVG drawn at the width they are given, so that text keeps its size on a phone.

   Sets one global, `ropeDrawing`. Colors come from the style sheet, by class, and follow the book's theme. */
(function (global) {
  "use strict";

  const CHARACTER = 6.7; // pixels, the mean width of a character of a label
  const MARGIN = { top: 26, right: 12, bottom: 42, left: 58 };
  const LARGEST = 1e308; // an axis ends within float64
  const { count, decade } = global.ropeNumbers;

  function element(name, attributes = {}, text = null) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== null) made.textContent = text;
    return made;
  }

  /* A frame with logarithmic axes where `x.log`, `y.log`; `x` and `y` have from, to, label. */
  function frame(width, height, x, y, description) {
    const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    const along = (axis, value) => {
      const of = axis.log ? Math.log : (v) => v;
      return (of(value) - of(axis.from)) / (of(axis.to) - of(axis.from));
    };
    const svg = element("svg", {
      width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description, class: "calc-figure",
    });
    const plot = {
      svg, inner,
      x: (value) => MARGIN.left + inner.width * along(x, value),
      y: (value) => MARGIN.top + inner.height * (1 - along(y, value)),
      add: (name, attributes, text) => svg.appendChild(element(name, attributes, text)),
    };
    const bottom = MARGIN.top + inner.height, right = MARGIN.left + inner.width;
    for (const value of ticks(x, inner.width / 62)) {
      plot.add("line", { x1: plot.x(value), x2: plot.x(value), y1: MARGIN.top, y2: bottom, class: "grid" });
      const label = x.log ? decade(value) : String(value);
      plot.add("text", { x: plot.x(value), y: bottom + 16, "text-anchor": "middle", class: "tick" }, label);
    }
    for (const value of ticks(y, inner.height / 24)) {
      plot.add("line", { x1: MARGIN.left, x2: right, y1: plot.y(value), y2: plot.y(value), class: "grid" });
      const place = { x: MARGIN.left - 6, y: plot.y(value) + 4, "text-anchor": "end", class: "tick" };
      plot.add("text", place, decade(value));
    }
    plot.add("path", { d: `M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}`, class: "axis" });
    plot.add("text", { x: right, y: height - 6, "text-anchor": "end", class: "axis-label" }, x.label);
    plot.add("text", { x: 2, y: 13, class: "axis-label" }, y.label);
    return plot;
  }

  /* Round values on an axis, at most about `most` of them: decades where it is logarithmic. */
  function ticks(axis, most) {
    const found = [];
    if (axis.log) {
      const first = Math.ceil(Math.log10(axis.from) - 1e-9), last = Math.floor(Math.log10(axis.to) + 1e-9);
      const step = Math.max(1, Math.ceil((last - first + 1) / most));
      for (let power = first; power <= last; power += step) found.push(10 ** power);
    } else {
      const step = [1, 2, 4, 8, 16, 32, 64, 128, 256].find((size) => axis.last / size <= most) ?? 512;
      for (let value = 0; value <= axis.last; value += step) found.push(value);
    }
    return found;
  }

  /* The first place with room enough, in pixels, else the one with the most room; what it covers joins `taken`.

     A place has the anchor x, y, and `covers`, points along the text. `taken` holds points. */
  function freest(places, taken, enough = 60) {
    let best = null, most = -1;
    for (const place of places) {
      const room = Math.min(enough, roomAround(place.covers, taken));
      if (room > most + 1) [best, most] = [place, room];
      if (most >= enough) break;
    }
    taken.push(...best.covers);
    return { ...best, isFree: most > 13 };
  }

  /* The least distance between points of the one kind and of the other. */
  function roomAround(covers, taken) {
    let least = Infinity;
    for (const at of covers) {
      for (const other of taken) {
        const dx = at.x - other.x, dy = at.y - other.y, squared = dx * dx + dy * dy;
        if (squared < least) least = squared;
      }
    }
    return Math.sqrt(least);
  }

  /* Points along a text whose middle is at x, y, turned by `angle` radians. */
  function covered(x, y, text, angle = 0) {
    const half = (text.length * CHARACTER) / 2, points = [];
    for (let along = -half; along <= half; along += 8) {
      points.push({ x: x + along * Math.cos(angle), y: y + along * Math.sin(angle) });
    }
    return points;
  }

  function write(plot, place, text, kind) {
    const { x, y, angle = 0 } = place;
    const transform = `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${((angle * 180) / Math.PI).toFixed(2)})`;
    plot.add("text", { transform, "text-anchor": "middle", dy: "0.32em", class: `label ${kind}` }, text);
  }

  /* A text beside one of some points: the nearest place inside the frame that has so much room, in pixels. */
  function writeBeside(plot, points, text, kind, taken, enough) {
    const half = (text.length * CHARACTER) / 2 + 2;
    const left = MARGIN.left + half, right = MARGIN.left + plot.inner.width - half;
    const sides = [[1, 0], [-1, 0], [0, -1], [0, 1], [0.8, 1], [-0.8, 1], [0.8, -1], [-0.8, -1]];
    const places = [12, 20, 30, 44]
      .flatMap((gap) => points.flatMap((point) => sides.map(([dx, dy]) => ({
        x: point.x + dx * (half + (dy ? 0 : gap)), y: point.y + dy * gap,
      }))))
      .filter(({ x, y }) => x >= left && x <= right && y > MARGIN.top + 4 && y < MARGIN.top + plot.inner.height - 8)
      .map((place) => ({ ...place, covers: covered(place.x, place.y, text) }));
    if (places.length) write(plot, freest(places, taken, enough), text, kind);
  }

  /* The plane of context and base: the bounds as lines, the zone between the depth bound and the wall, the point.

     `given` has length (tokens), base, effective_base, drifts (radians by bound: aliasing, stability, depth), wall,
     layers, dtype. */
  function zone(width, given) {
    const { length, base, effective_base: effective, drifts, wall, layers } = given;
    const height = Math.round(Math.min(400, Math.max(290, width * 0.6)));
    const x = { log: true, label: "context (tokens)" };
    [x.from, x.to] = [Math.min(1e3, length / 4), Math.min(Math.max(1e7, length * 4), LARGEST)];
    const depthAt = (context) => context / drifts.depth;
    const y = { log: true, label: "base" };
    y.from = Math.min(200, base / 3, effective / 3, wall / 4, Math.max(length / 2 / Math.PI / 4, 1.2));
    y.to = Math.min(Math.max(2e8, base * 5, effective * 5, wall * 8, depthAt(length) * 4), LARGEST);
    const plot = frame(width, height, x, y, given.description);
    const top = MARGIN.top, bottom = top + plot.inner.height, left = MARGIN.left, right = left + plot.inner.width;

    const clip = element("clipPath", { id: "calc-zone-clip" });
    clip.appendChild(element("rect", { x: left, y: top, width: plot.inner.width, height: plot.inner.height }));
    plot.svg.appendChild(clip);
    const corner = wall * drifts.depth; // the context at which the depth bound meets the wall
    if (corner > x.from) {
      const end = Math.min(corner, x.to);
      const outline = [[x.from, depthAt(x.from)], [x.from, wall], [end, wall], [end, depthAt(end)]];
      const points = outline.map(([context, height]) => `${plot.x(context)},${plot.y(height)}`).join(" ");
      plot.add("polygon", { points, class: "zone", "clip-path": "url(#calc-zone-clip)" });
    }
    const contextAt = (at) => x.from * (x.to / x.from) ** ((at - left) / plot.inner.width); // of a pixel
    const angle = Math.atan2(plot.y(10 * y.from) - plot.y(y.from), plot.x(10 * x.from) - plot.x(x.from));
    /* The contexts between which a bound runs inside the frame. */
    const inside = (kind) => [Math.max(x.from, y.from * drifts[kind]), Math.min(x.to, y.to * drifts[kind])];
    for (const kind of ["aliasing", "stability", "depth"]) {
      const [from, to] = inside(kind);
      const ends = { x1: plot.x(from), y1: plot.y(from / drifts[kind]), x2: plot.x(to), y2: plot.y(to / drifts[kind]) };
      if (from < to) plot.add("line", { ...ends, class: `bound ${kind}` });
    }
    plot.add("line", { x1: left, x2: right, y1: plot.y(wall), y2: plot.y(wall), class: "bound wall" });

    const px = plot.x(length), filled = { x: px, y: plot.y(effective) }, hollow = { x: px, y: plot.y(base) };
    const moved = Math.abs(filled.y - hollow.y) > 1;
    if (moved) plot.add("line", { x1: px, x2: px, y1: hollow.y, y2: filled.y, class: "stretch" });
    if (moved) plot.add("circle", { cx: hollow.x, cy: hollow.y, r: 5.5, class: "point without" });
    plot.add("circle", { cx: filled.x, cy: filled.y, r: 6.5, class: "point" });

    const taken = [filled];
    for (let part = 0; moved && part < 1; part += 0.2) {
      taken.push({ x: px, y: hollow.y + (filled.y - hollow.y) * part });
    }
    for (let at = left; at <= right; at += 12) taken.push({ x: at, y: plot.y(wall) });
    const names = { aliasing: "aliasing", stability: "DC stability", depth: `depth, ${count(layers)} layers` };
    if (layers === 1) [names.depth, names.stability] = ["DC stability = depth", null];
    for (const [kind, text] of Object.entries(names)) {
      if (text === null) continue;
      const [from, to] = inside(kind); // the name is on the outer side of the line
      const side = kind === "depth" ? -11 : 11, half = (text.length * CHARACTER) / 2 + 6;
      const start = plot.x(from) + half * Math.cos(angle), end = plot.x(to) - half * Math.cos(angle);
      if (start > end) continue; // too short a piece to name
      const places = [0.5, 0.6, 0.4, 0.75, 0.25, 0.9, 0.1, 1, 0].map((part) => {
        const at = start + part * (end - start), height = plot.y(contextAt(at) / drifts[kind]);
        const place = { x: at - side * Math.sin(angle), y: height + side * Math.cos(angle), angle };
        return { ...place, covers: covered(place.x, place.y, text, angle) };
      });
      write(plot, freest(places, taken), text, kind);
    }
    const wallText = `precision wall, ${given.dtype}`, half = (wallText.length * CHARACTER) / 2 + 6;
    const wallPlaces = [left + half, right - half].map((x) => {
      const y = plot.y(wall) - 10;
      return { x, y, covers: covered(x, y, wallText) };
    });
    write(plot, freest(wallPlaces, taken), wallText, "wall");
    for (let at = left; at <= right; at += 12) {
      for (const drift of Object.values(drifts)) taken.push({ x: at, y: plot.y(contextAt(at) / drift) });
    }
    const together = moved && Math.abs(filled.y - hollow.y) < 18;
    const effectiveName = moved ? `${count(effective)}, effective` : `base ${count(base)}`;
    writeBeside(plot, [filled], effectiveName, "point-name", taken, 9);
    if (moved && !together) writeBeside(plot, [hollow], `${count(base)}, unscaled`, "point-name", taken, 9);
    const zoneText = "Goldilocks zone", tall = plot.y(depthAt(x.from)) - plot.y(wall);
    if (corner > 30 * x.from && tall > 50) {
      const places = [0.2, 0.35, 0.5, 0.65].map((part) => {
        const place = { x: left + 60, y: plot.y(wall) + part * Math.min(tall, bottom - plot.y(wall)) };
        return { ...place, covers: covered(place.x, place.y, zoneText) };
      });
      const place = freest(places, taken);
      if (place.isFree) write(plot, place, zoneText, "zone-name"); // the caption says it too
    }
    return plot.svg;
  }

  /* The period of every pair, shortest first, with lengths as dashed lines; unscaled ones behind, as rings.

     `given` has periods and unscaled (tokens; null for a pair that does not rotate), length (that decides which
     complete a turn) and lines: [name, tokens]. */
  function spectrum(width, given) {
    const { periods, unscaled, length, lines } = given, last = Math.max(periods.length - 1, 1);
    const height = Math.round(Math.min(380, Math.max(280, width * 0.55)));
    const drawn = [...periods, ...unscaled].filter((period) => period !== null);
    const x = { from: -0.02 * last, to: 1.02 * last, last, label: "pair, fastest first" };
    const y = { log: true, label: "period (tokens)" };
    y.from = Math.min(4, ...lines.map(([, tokens]) => tokens / 2));
    y.to = Math.min(3 * Math.max(...drawn, ...lines.map(([, tokens]) => tokens)), LARGEST);
    const plot = frame(width, height, x, y, given.description);
    const taken = [], left = MARGIN.left, right = left + plot.inner.width;

    const onLine = (tokens) => Array.from({ length: 60 }, (_, step) => (
      { x: left + (step / 59) * (right - left), y: plot.y(tokens) }
    ));
    for (const [, tokens] of lines) {
      plot.add("line", { x1: left, x2: right, y1: plot.y(tokens), y2: plot.y(tokens), class: "length" });
    }
    const radius = Math.max(1.6, Math.min(3.2, plot.inner.width / periods.length / 2.2));
    const dots = (values, kind, keep) => {
      const points = values.flatMap((period, pair) =>
        period !== null && keep(period, pair) ? [{ x: plot.x(pair), y: plot.y(period) }] : []);
      for (const { x, y } of points) plot.add("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: radius, class: kind });
      taken.push(...points);
      return points;
    };
    const rings = dots(unscaled, "pair unscaled", (period, pair) => period !== periods[pair]);
    const turning = dots(periods, "pair turning", (period) => period <= length);
    const slow = dots(periods, "pair slow", (period) => period > length);
    for (const [name, tokens] of lines) {
      const text = `${name} ${count(tokens)}`, half = (text.length * CHARACTER) / 2 + 6;
      const others = lines.filter(([other]) => other !== name).flatMap(([, at]) => onLine(at));
      const places = [[left + half, -9], [left + half, 9], [right - half, 9], [right - half, -9]]
        .map(([x, dy]) => ({ x, y: plot.y(tokens) + dy, covers: covered(x, plot.y(tokens) + dy, text) }));
      const place = freest(places, [...taken, ...others], 13);
      write(plot, place, text, "length-name");
      taken.push(...place.covers);
    }
    for (const [, tokens] of lines) taken.push(...onLine(tokens));
    const groups = [
      [turning, `${turning.length} complete a turn`, "turning-name"],
      [slow, `${slow.length} do not`, "slow-name"],
      [rings, "unscaled", "unscaled-name"],
    ];
    for (const [points, text, kind] of groups) {
      const some = [0.5, 0.75, 0.25, 0.9].map((part) => points[Math.floor(part * points.length)]);
      if (points.length) writeBeside(plot, some, text, kind, taken, 13);
    }
    return plot.svg;
  }

  global.ropeDrawing = { count, spectrum, zone };
})(globalThis);
