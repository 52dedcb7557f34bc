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
