/* What can be set in an explorable: numbers on a slider with a field, choices, switches.

   Sets one global, `exploreControls`. A control has name, label, kind, value (at first) and

     number   from, to, unit; log, whole; to may be a function of the values
     choice   options, [value, label] each, or a function of the values that gives them
     switch   nothing else; its value is true or false */
(function (global) {
  "use strict";

  const STEPS = 1000; // places of a slider

  const of = (given, values) => (typeof given === "function" ? given(values) : given);

  // A number's slider: places from 0 to STEPS, or the whole numbers themselves where they are few.

  const isFew = (control, to) => control.whole && !control.log && to - control.from <= STEPS;
  const shift = (control) => (control.from === 0 ? 1 : 0); // so that a logarithmic slider can start at 0

  function placeOf(control, value, to) {
    if (isFew(control, to)) return value;
    const { from } = control, add = shift(control);
    const part = control.log
      ? Math.log((value + add) / (from + add)) / Math.log((to + add) / (from + add))
      : (value - from) / (to - from);
    return Math.round(part * STEPS);
  }

  function valueAt(control, place, to) {
    if (isFew(control, to)) return place;
    const { from } = control, add = shift(control), part = place / STEPS;
    const value = control.log ? (from + add) * ((to + add) / (from + add)) ** part - add : from + part * (to - from);
    return tidy(control, value, to);
  }

  /* A value of the slider, with no more digits than a reader can want. */
  function tidy(control, value, to) {
    const rounded = control.whole ? Math.round(value) : Number(value.toPrecision(3));
    return Math.min(Math.max(rounded, control.from), to);
  }

  function between(control, one, other, part) {
    const add = shift(control);
    const value = control.log ? (one + add) * ((other + add) / (one + add)) ** part - add : one + part * (other - one);
    return control.whole ? Math.round(value) : value;
  }

  /* The value that a text stands for, or null. */
  function parse(control, text, values) {
    if (control.kind === "switch") return text === "true" ? true : text === "false" ? false : null;
    if (control.kind === "choice") {
      const found = of(control.options, values).find(([value]) => String(value) === text);
      return found ? found[0] : null;
    }
    const plain = text.replaceAll(",", "").trim(), value = Number(plain);
    const isAllowed = plain !== "" && value >= control.from && value <= of(control.to, values);
    return isAllowed && (!control.whole || Number.isInteger(value)) ? value : null;
  }

  /* The values, each within what it may be beside the others. */
  function settled(controls, given) {
    const values = { ...given };
    for (const control of controls) {
      const value = values[control.name];
      if (control.kind === "number") {
        values[control.name] = Math.min(Math.max(value, control.from), of(control.to, values));
      } else if (control.kind === "choice") {
        const options = of(control.options, values);
        if (!options.some(([one]) => one === value)) values[control.name] = options[0][0];
      }
    }
    return values;
  }

  const shown = (value) => (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(6))));

  function numberField(id, control, change) {
    const { make } = global.explore;
    const unit = control.unit ? ` (${control.unit})` : "";
    const text = make("input", { type: "text", inputmode: "decimal", id, autocomplete: "off", spellcheck: "false" });
    const slider = make("input", { type: "range", min: 0, max: STEPS, "aria-label": control.label });
    const error = make("p", { class: "explore-error", id: `${id}-error`, hidden: true });
    text.setAttribute("aria-describedby", error.id);
    let values = {};
    const to = () => of(control.to, values);
    slider.addEventListener("input", () => change({ [control.name]: valueAt(control, Number(slider.value), to()) }));
    text.addEventListener("change", () => {
      const value = parse(control, text.value, values);
      const allowed = `${control.whole ? "a whole number" : "a number"} from ${shown(control.from)} to ${shown(to())}`;
      error.hidden = value !== null;
      error.textContent = value === null ? `${control.label} must be ${allowed}, got ${text.value || "nothing"}` : "";
      text.setAttribute("aria-invalid", String(value === null));
      if (value !== null) change({ [control.name]: value });
    });
    const show = (now) => {
      values = now;
      const value = now[control.name], few = isFew(control, to());
      slider.min = few ? control.from : 0;
      slider.max = few ? to() : STEPS;
      if (valueAt(control, Number(slider.value), to()) !== value) slider.value = placeOf(control, value, to());
      slider.setAttribute("aria-valuetext", `${shown(value)}${control.unit ? ` ${control.unit}` : ""}`);
      if (document.activeElement !== text || text.getAttribute("aria-invalid") !== "true") {
        text.value = shown(value);
        text.setAttribute("aria-invalid", "false");
        error.hidden = true;
      }
    };
    const head = make("div", { class: "explore-number" }, make("label", { for: id }, `${control.label}${unit}`), text);
    return { element: make("div", { class: "explore-field" }, head, slider, error), show };
  }

  function choiceField(id, control, change) {
    const { make } = global.explore, select = make("select", { id });
    let written = null;
    select.addEventListener("change", () => {
      change({ [control.name]: parse(control, select.value, { ...last }) });
    });
    let last = {};
    const show = (values) => {
      last = values;
      const options = of(control.options, values), key = JSON.stringify(options);
      if (key !== written) {
        select.replaceChildren(...options.map(([value, label]) => make("option", { value }, label)));
        written = key;
      }
      select.value = String(values[control.name]);
    };
    return { element: make("div", { class: "explore-field" }, make("label", { for: id }, control.label), select), show };
  }

  function switchField(id, control, change) {
    const { make } = global.explore, box = make("input", { type: "checkbox", id });
    box.addEventListener("change", () => change({ [control.name]: box.checked }));
    const show = (values) => { box.checked = values[control.name]; };
    return { element: make("div", { class: "explore-field explore-switch" }, box, make("label", { for: id }, control.label)), show };
  }

  const FIELDS = { number: numberField, choice: choiceField, switch: switchField };

  /* The fields of some controls, and `show`, which sets them to given values. */
  function panel(name, controls, change) {
    const element = global.explore.make("div", { class: "explore-controls" });
    const fields = controls.map((control) => FIELDS[control.kind](`explore-${name}-${control.name}`, control, change));
    element.append(...fields.map((field) => field.element));
    return { element, show: (values) => fields.forEach((field) => field.show(values)) };
  }

  global.exploreControls = { between, panel, parse, settled };
})(globalThis);
