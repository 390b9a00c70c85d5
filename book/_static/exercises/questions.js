// Quick questions: choose, then press Check, and read what your choice deserves. Without this script each
// option has its answer in a fold.

for (const form of document.querySelectorAll("form.quick-question")) {
  const heard = form.querySelector('[role="status"]');
  for (const control of form.querySelectorAll("input, button")) control.hidden = false;
  for (const fold of form.querySelectorAll("details")) fold.hidden = true;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = form.querySelector("input:checked");
    if (!chosen) {
      heard.replaceChildren(Object.assign(document.createElement("p"), { textContent: "Choose one first." }));
      return;
    }
    const fold = chosen.closest(".option").querySelector("details");
    const answer = [...fold.children].filter((child) => child.tagName !== "SUMMARY");
    heard.replaceChildren(...answer.map((child) => child.cloneNode(true)));
  });
  // What was said of one choice does not stand beside another.
  form.addEventListener("change", () => heard.replaceChildren());
}
