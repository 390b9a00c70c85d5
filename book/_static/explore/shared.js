/* What every explorable shares: its values, the address that holds them, the words that say what is seen.

   A classic script, since browsers refuse modules from files. It sets one global, `explore`; an explorable calls
   `explore.define(NAME, spec)` with

     controls   what can be set: see controls.js
     compute    (values) → numbers, which the tests compare with the library's
     draw       (stage, values, found) draws them: see plot.js
     height     (width) → pixels of the drawing
     says       (values, found) → what is seen, in words
     steps      [{ do, set, see }, …]: what to try, which values that sets (or a function of those
                at present that gives them), what to look for
     drag       optional (stage, point, values) → the values that a place in the drawing stands for
     both       whether dragging sets two values: the handle then moves up and down, too
     follow     optional (change, values) → what else a change by the reader sets
     hover      optional (stage, point, values) → { x, y, text } beside the pointer */
(function (global) {
  "use strict";

  const specs = {};
  const still = global.matchMedia("(prefers-reduced-motion: reduce)");
  const MOVING = 700; // ms from one view to the next
  const QUIET = 500; // ms without a change before it is told and the address follows

  function make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  /* The values at first, and those that the address holds: `NAME.CONTROL=VALUE`. */
  function valuesFromAddress(name, controls) {
    const query = new URLSearchParams(global.location.search), values = {};
    for (const control of controls) values[control.name] = control.value;
    for (const control of controls) {
      const text = query.get(`${name}.${control.name}`);
      const value = text === null ? null : global.exploreControls.parse(control, text, values);
      if (value !== null) values[control.name] = value;
    }
    return global.exploreControls.settled(controls, values);
  }

  /* The address of this view, with only what differs from the first one. */
  function addressOf(name, controls, values) {
    const address = new URL(global.location.href);
    for (const control of controls) {
      const key = `${name}.${control.name}`;
      if (values[control.name] === control.value) address.searchParams.delete(key);
      else address.searchParams.set(key, String(values[control.name]));
    }
    return address;
  }

  function mount(place, name, spec) {
    const { controls } = spec, title = place.querySelector(".explore-title");
    let values = valuesFromAddress(name, controls), asked = false, told = null, moving = null;
    title.id = `explore-${name}-title`;
    place.setAttribute("role", "group");
    place.setAttribute("aria-labelledby", title.id);

    const drawing = make("div", { class: "explore-drawing" });
    const says = make("p", { class: "explore-says" });
    const live = make("p", { class: "explore-live", role: "status" });
    const notice = make("p", { class: "explore-notice", role: "status" });
    const panel = global.exploreControls.panel(name, controls, change);
    const reset = make("button", { type: "button" }, "Reset");
    const link = make("button", { type: "button" }, "Copy link to this view");
    const actions = make("div", { class: "explore-actions" }, reset, link, notice);
    place.append(panel.element, drawing, says, live, stepList(), actions);
    const stage = global.explorePlot.stage(drawing, spec, (point) => change(spec.drag(stage, point, values) ?? {}));
    if (spec.hover) stage.onHover((point) => spec.hover(stage, point, values));

    function stepList() {
      const list = make("ol", { class: "explore-steps" });
      for (const step of spec.steps) {
        const button = make("button", { type: "button" }, step.do);
        button.addEventListener("click", () => moveTo(typeof step.set === "function" ? step.set(values) : step.set));
        list.append(make("li", {}, button, make("span", {}, ` ${step.see}`)));
      }
      const heading = make("p", { class: "explore-try", id: `explore-${name}-try` }, "Try this");
      list.setAttribute("aria-labelledby", heading.id);
      return make("div", {}, heading, list);
    }

    function change(some, isMoving = false) {
      if (!isMoving) global.cancelAnimationFrame(moving);
      const also = !isMoving && spec.follow ? spec.follow(some, values) : {};
      values = global.exploreControls.settled(controls, { ...values, ...some, ...also });
      if (asked) return;
      asked = true;
      global.requestAnimationFrame(render);
    }

    function render() {
      asked = false;
      const width = drawing.clientWidth;
      if (!width) return;
      panel.show(values);
      const found = spec.compute(values), text = spec.says(values, found);
      stage.size(width, Math.round(spec.height(width)));
      drawing.style.minHeight = "0"; // what kept its place until it was drawn
      spec.draw(stage, values, found);
      says.textContent = text;
      stage.describe(`${title.textContent}. ${text}`);
      global.clearTimeout(told);
      told = global.setTimeout(() => tell(text), QUIET);
    }

    let first = true;
    function tell(text) {
      if (!first) live.textContent = text; // a reader has not asked for the first view to be read out
      first = false;
      const address = addressOf(name, controls, values);
      if (address.href !== global.location.href) global.history.replaceState(global.history.state, "", address);
    }

    /* Go to other values, in a smooth motion where the reader has nothing against it. */
    function moveTo(target) {
      const from = { ...values }, to = global.exploreControls.settled(controls, { ...values, ...target });
      const numbers = controls.filter((control) => control.kind === "number" && from[control.name] !== to[control.name]);
      if (still.matches || !numbers.length) return change(to);
      const begin = global.performance.now();
      const others = Object.fromEntries(
        Object.entries(to).filter(([key]) => !numbers.some((control) => control.name === key)));
      const frame = (now) => {
        const part = Math.min(1, Math.max(0, (now - begin) / MOVING)), eased = part * part * (3 - 2 * part);
        const between = Object.fromEntries(numbers.map((control) => [
          control.name, global.exploreControls.between(control, from[control.name], to[control.name], eased),
        ]));
        change(part < 1 ? { ...others, ...between } : to, true);
        if (part < 1) moving = global.requestAnimationFrame(frame);
      };
      moving = global.requestAnimationFrame(frame);
    }

    reset.addEventListener("click", () => change(Object.fromEntries(controls.map(({ name, value }) => [name, value]))));
    link.addEventListener("click", async () => {
      const address = addressOf(name, controls, values);
      address.hash = `explorable-${name}`;
      try {
        await global.navigator.clipboard.writeText(address.href);
        notice.textContent = "Link copied.";
      } catch {
        notice.textContent = `This browser does not let the page copy: ${address.href}`;
      }
    });
    new ResizeObserver(() => change({}, true)).observe(drawing);
    place.dataset.ready = "true";
  }

  function define(name, spec) {
    specs[name] = spec;
    for (const place of document.querySelectorAll(`[data-explorable="${name}"]`)) mount(place, name, spec);
  }

  global.explore = { define, make, specs };
})(globalThis);
