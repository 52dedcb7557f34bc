"use strict";

// The language switch goes to the section that is being read; both editions call it the same.
const language = document.querySelector("a.language");
const start = language.getAttribute("href") + location.search;
for (const event of ["click", "auxclick"]) {
  language.addEventListener(event, () => {
    const above = (section) => section.getBoundingClientRect().top < innerHeight / 3;
    const read = [...document.querySelectorAll("article section > section[id]")].filter(above).at(-1);
    language.setAttribute("href", read ? `${start}#${read.id}` : start);
  });
}

// What the theme leaves out for those who hear a page or have no mouse: levels of headings, names that say what is folded, and a way
// to reach what scrolls sideways.
document.querySelectorAll("[role=heading]:not([aria-level])").forEach((part) => part.setAttribute("aria-level", 2));
document.querySelectorAll("details.hide > summary").forEach((part) => part.removeAttribute("aria-label"));
const reachable = (root) => {
  for (const part of root.querySelectorAll("pre, .output, .cell_output:has(> img), .table-wrapper, [style*='overflow-x']")) if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
};
addEventListener("load", () => reachable(document));

// Chinese has no spaces: a question is cut into the longest words that the index knows.
const cut = (run) => {
  const words = [];
  while (run) {
    let length = run.length;
    while (length > 1 && !Object.hasOwn(Search._index.terms, run.slice(0, length))) length--;
    if (length > 1) words.push(run.slice(0, length));
    run = run.slice(length);
  }
  return words;
};
var splitQuery = (query) =>
  (query.match(/\p{Script=Han}+|[\p{Letter}\p{Number}_]+/gu) ?? []).flatMap((word) => (/\p{Script=Han}/u.test(word) ? cut(word) : [word]));
