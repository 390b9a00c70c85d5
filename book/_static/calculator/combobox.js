/* A text field that finds one of many: type a part of its name, go with the arrows, take it with Enter or a click.

   Sets one global, `combobox(input, list, items, choose)`. `items` are { value, name, also, note }: `also` is searched
   besides the name, `note` stands after it. `choose` is called with the value of an item, or with the text that a
   reader left in the field and that is no item's name. Follows the combobox pattern of WAI-ARIA. */
(function (global) {
  "use strict";

  global.combobox = function (input, list, items, choose) {
    let offered = [], active = -1, settled = input.value;

    function offer(typed) {
      const words = typed.toLowerCase().split(/\s+/);
      offered = items.filter(({ name, also }) => words.every((word) => `${name} ${also}`.toLowerCase().includes(word)));
      active = -1;
      list.replaceChildren(...offered.map((item, index) => {
        const option = document.createElement("li");
        Object.assign(option, { id: `${list.id}-${index}`, role: "option", textContent: item.name });
        option.setAttribute("aria-selected", "false");
        if (item.note) {
          const note = document.createElement("small");
          note.textContent = ` ${item.note}`;
          option.append(note);
        }
        option.addEventListener("mousedown", (event) => {
          event.preventDefault(); // the field keeps the focus, so that leaving it does not come first
          take(item);
        });
        return option;
      }));
      open(offered.length > 0);
    }

    function open(isOpen) {
      list.hidden = !isOpen;
      input.setAttribute("aria-expanded", String(isOpen));
      if (!isOpen) input.removeAttribute("aria-activedescendant");
    }

    function move(to) {
      list.children[active]?.setAttribute("aria-selected", "false");
      active = (to + offered.length) % offered.length;
      list.children[active].setAttribute("aria-selected", "true");
      list.children[active].scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", list.children[active].id);
    }

    function take(item) {
      open(false);
      settled = input.value = item.name;
      choose(item.value);
    }

    /* The reader is done: a name that is an item's is that item, another text is handed on as it is. */
    function settle() {
      const typed = input.value.trim();
      open(false);
      if (typed === settled) return;
      const item = items.find(({ name }) => name.toLowerCase() === typed.toLowerCase());
      if (item) take(item);
      else choose(settled = typed);
    }

    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => list.hidden && offer(""));
    input.addEventListener("input", (event) => {
      event.stopPropagation(); // a name half typed is no choice yet
      offer(input.value);
    });
    input.addEventListener("change", (event) => event.stopPropagation());
    input.addEventListener("blur", settle);
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const wasOpen = !list.hidden;
        if (!wasOpen) offer(input.value.trim() === settled ? "" : input.value);
        if (offered.length) move(event.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (!list.hidden && active >= 0) take(offered[active]);
        else if (!list.hidden && offered.length === 1) take(offered[0]);
        else settle();
      } else if (event.key === "Escape" && !list.hidden) {
        input.value = settled;
        open(false);
      }
    });

    return {
      show(name) {
        settled = input.value = name;
        open(false);
      },
    };
  };
})(globalThis);
