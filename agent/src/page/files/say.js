// What is said: to everybody in one line that goes again, and politely to screen readers.

import { clock } from "./words.js";

const line = document.querySelector("#said");
let timer = 0;

export function say(text, isBad = false) {
  line.textContent = text;
  line.dataset.bad = isBad;
  line.dataset.shown = "true";
  clearTimeout(timer);
  timer = setTimeout(() => { line.dataset.shown = "false"; }, isBad ? 12000 : 5000);
}

// Shows a text, or nothing at all.
export function show(element, text) {
  element.hidden = text === null || text === undefined || text === "";
  if (!element.hidden && element.textContent !== text) element.textContent = text;
}

// Elements with these texts.
export function texts(tag, name, lines) {
  return lines.map((text) => {
    const element = document.createElement(tag);
    if (name !== null) element.className = name;
    element.textContent = text;
    return element;
  });
}

// Rows of what is known, as a list of terms. Their texts come from tokens: they are texts, whatever is in them.
export function list(dl, rows) {
  // It is looked at again every few seconds, and somebody may be marking a text in it.
  const state = JSON.stringify(rows);
  if (dl.dataset.rows === state) return;
  dl.dataset.rows = state;
  dl.replaceChildren(...rows.map(({ label, values, time }) => {
    const row = document.createElement("div");
    const description = document.createElement("dd");
    for (const { text, note } of values ?? [{ text: time === null ? "at no time" : clock(time) }]) {
      const line = document.createElement("span");
      line.append(...texts("span", "text", [text]), ...texts("small", null, note ? [note] : []));
      description.append(line);
    }
    row.append(...texts("dt", null, [label]), description);
    return row;
  }));
  dl.hidden = rows.length === 0;
}
