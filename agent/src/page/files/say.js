// What is said: to everybody in one line that goes again, and politely to screen readers.

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

// Pairs of words as a list of terms.
export function list(dl, facts) {
  const rows = facts.map(({ label, value, note, bad }) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = label;
    for (const part of Array.isArray(value) ? value : [value]) {
      const line = document.createElement("span");
      line.textContent = part;
      text.append(line);
    }
    if (note) {
      const remark = document.createElement("small");
      remark.textContent = note;
      text.append(remark);
    }
    if (bad) row.dataset.bad = "true";
    row.append(term, text);
    return row;
  });
  dl.replaceChildren(...rows);
  dl.hidden = rows.length === 0;
}
