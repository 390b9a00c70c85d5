/* Tables of class `lookup`: headings sort, a field filters, and a long table comes in pages. */
"use strict";

const dataTablesUrl = URL.createObjectURL(new Blob([globalThis.dataTablesModule], { type: "text/javascript" }));

import(dataTablesUrl).then(({ default: DataTable, set_or_remove_dark_class: followTheme }) => {
  followTheme();
  for (const table of document.querySelectorAll("table.lookup")) {
    new DataTable(table, {
      autoWidth: false,
      order: [], // as it stands, until a reader sorts
      pageLength: 25,
      lengthMenu: [25, 50, { label: "all", value: -1 }],
      layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: ["pageLength", "paging"] },
      language: { search: "Filter: ", info: "_START_ to _END_ of _TOTAL_", infoFiltered: "(of _MAX_ in all)" },
    });
  }
}).finally(() => URL.revokeObjectURL(dataTablesUrl));
