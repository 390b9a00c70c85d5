/* Tables of class `lookup`: headings sort; a field and lists filter; what does not fit the page unfolds below its row; the
   rows that are shown can be saved as CSV; and a table of models leads to the calculator. */
"use strict";

const dataTablesUrl = URL.createObjectURL(new Blob([globalThis.dataTablesModule], { type: "text/javascript" }));

const IN_THE_ROW = 6; // columns that fit a page; a table with one more shows them all
const ON_A_PHONE = 2;
const CHOICES = 8; // a column of no more values gets a list to choose from, if the table is long
const LONG = 20; // rows

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
const escapedForPattern = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/* What the table holds, read before it is changed: headings, and for each row its texts and its numbers. */
function read(table) {
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => ({
    text: cell.textContent,
    value: cell.className === "number" ? (cell.dataset.order === "-1" ? "" : cell.dataset.order) : cell.textContent,
  })));
  return { headings, rows };
}

/* The columns with few enough values to choose one from, and these values. */
function choices({ headings, rows }) {
  if (rows.length < LONG) return [];
  return headings.map((heading, column) => {
    const values = [...new Set(rows.map((row) => row[column].text))].filter((value) => value !== "–").sort();
    return { heading, column, values };
  }).filter(({ column, values }) => column > 0 && values.length > 1 && values.length <= CHOICES);
}

function csv({ headings, rows }, shown) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [headings, ...shown.map((index) => rows[index].map(({ value }) => value))];
  return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

function save(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/* The rest of a row, as a list of headings and values. */
function rest({ headings, rows }, index, hidden) {
  const items = hidden.flatMap((column) => [
    make("dt", { textContent: headings[column] }), make("dd", { textContent: rows[index][column].text }),
  ]);
  return make("dl", { className: "lookup-rest" }, ...items);
}

/* Marks each row by its place, links it to the calculator, and gives it a button for what is folded away. */
function prepare(table, { headings }, hasMore) {
  const root = document.documentElement.dataset.content_root ?? "";
  [...table.tBodies[0].rows].forEach((row, index) => {
    row.dataset.index = index;
    const cell = row.cells[0], name = cell.textContent;
    if (headings[0] === "model" && table.closest(".bd-article")) {
      const query = new URLSearchParams({ model: name.replace(/\*$/, "") });
      cell.replaceChildren(make("a", { href: `${root}book/calculator.html?${query}`, textContent: name }));
    }
    if (hasMore) {
      const button = make("button", { type: "button", className: "lookup-more", textContent: "+" });
      button.setAttribute("aria-label", `More about ${name}`);
      button.setAttribute("aria-expanded", "false");
      cell.prepend(button);
    }
  });
}

function filterByWords(api, typed) {
  const words = typed.trim().split(/\s+/).filter(Boolean);
  // A word is found where it begins: `stable` is not in `unstable`.
  const pattern = words.map((word) => `(?=.*(?:^|[^\\p{L}\\p{N}])${escapedForPattern(word)})`).join("");
  api.search(words.length ? new RegExp(`^${pattern}`, "isu") : "");
}

function enhance(table, DataTable) {
  const content = read(table), lists = choices(content), columns = content.headings.map((_, column) => column);
  const fits = matchMedia("(max-width: 40rem)").matches ? ON_A_PHONE : IN_THE_ROW;
  const hidden = columns.length > fits + 1 ? columns.slice(fits) : [];
  prepare(table, content, hidden.length > 0);
  const api = new DataTable(table, {
    autoWidth: false,
    columnDefs: [{ targets: hidden, visible: false }],
    order: [], // as it stands, until a reader sorts
    pageLength: 25,
    lengthMenu: [25, 50, { label: "all", value: -1 }],
    layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: ["pageLength", "paging"] },
    language: { search: "Filter: ", info: "_START_ to _END_ of _TOTAL_", infoFiltered: "(of _MAX_ in all)" },
  });
  const field = api.table().container().querySelector(".dt-search input");
  const bar = field.closest(".dt-search");

  const selects = lists.map(({ heading, column, values }) => {
    const select = make("select", {}, new Option("any", ""), ...values.map((value) => new Option(value, value)));
    select.addEventListener("change", () => {
      const pattern = select.value && new RegExp(`^${escapedForPattern(select.value)}$`, "u");
      api.column(column).search(pattern).draw();
    });
    bar.append(" ", make("label", { textContent: `${heading}: ` }, select));
    return { select, values };
  });

  // What a reader types filters by words; what is exactly a value of the first list, as `stable`, chooses it.
  field.addEventListener("input", (event) => {
    event.stopImmediatePropagation();
    const first = selects[0], typed = field.value.trim().toLowerCase();
    const chosen = first?.values.find((value) => value.toLowerCase() === typed) ?? "";
    if (first && (chosen || first.byTyping)) {
      first.byTyping = chosen !== "";
      first.select.value = chosen;
      first.select.dispatchEvent(new Event("change"));
    }
    filterByWords(api, chosen ? "" : typed);
    api.draw();
  }, { capture: true });

  const button = make("button", { type: "button", className: "lookup-csv", textContent: "Save as CSV" });
  button.addEventListener("click", () => {
    const shown = api.rows({ search: "applied", order: "applied" }).nodes().toArray().map((row) => Number(row.dataset.index));
    save(csv(content, shown), "table.csv");
  });
  bar.append(" ", button);

  table.addEventListener("click", ({ target }) => {
    if (!target.classList.contains("lookup-more")) return;
    const row = target.closest("tr"), child = api.row(row).child;
    if (child.isShown()) child.hide();
    else child(rest(content, Number(row.dataset.index), hidden)).show();
    target.setAttribute("aria-expanded", String(child.isShown()));
    target.textContent = child.isShown() ? "−" : "+";
  });

  // On paper all rows stand, with all columns.
  let length = 25;
  addEventListener("beforeprint", () => {
    length = api.page.len();
    api.columns(hidden).visible(true);
    api.page.len(-1).draw();
  });
  addEventListener("afterprint", () => {
    api.columns(hidden).visible(false);
    api.page.len(length).draw();
  });
}

import(dataTablesUrl).then(({ default: DataTable, set_or_remove_dark_class: followTheme }) => {
  followTheme();
  for (const table of document.querySelectorAll("table.lookup")) enhance(table, DataTable);
}).finally(() => URL.revokeObjectURL(dataTablesUrl));
