// The page: is let in, shows the accounts, and leaves nothing behind when it ends or the agent is locked.

import { Account } from "./account.js";
import { NoAnswer, ask, now, open } from "./ask.js";
import { Inspector } from "./inspect.js";
import { say, show } from "./say.js";
import { duration } from "./words.js";

const LOOK_AGAIN = 4000;
const LAST_MINUTE = 60;

const NOTICES = {
  ended: ["This page has ended", "Its agent has ended, or its quarter of an hour is over. A new one is opened by", "oidc page"],
  closed: ["This page is not open", "Its address was used already, or is too old; every address opens one page, once. A new one is opened by", "oidc page"],
  locked: ["The agent is locked", "Nothing is shown until it is unlocked. This page comes back by itself.", "oidc unlock"],
  empty: ["No account is loaded", "The agent has no account to give tokens of. Load one, and it appears here.", "oidc add NAME"],
};

const accounts = new Map();
const inspector = new Inspector(lost);
const part = (selector) => document.querySelector(selector);
let secret = location.hash.slice(1);
let endsAt = null;
let isOpen = false;
let isOver = false;

// The secret has been read: it is not to be seen, nor to be kept in the history.
history.replaceState(null, "", "/");

function notice(kind) {
  const section = part("#notice");
  section.hidden = kind === null;
  if (kind === null || section.dataset.kind === kind) return;
  section.dataset.kind = kind;
  const [title, text, command] = NOTICES[kind];
  part("#notice-title").textContent = title;
  part("#notice-text").textContent = text;
  show(part("#notice-command code"), command);
  part("#notice-command").hidden = false;
  say(`${title}.`);
}

// Whatever was shown is gone.
function blank(kind) {
  for (const account of accounts.values()) account.wipe();
  accounts.clear();
  inspector.wipe();
  for (const id of ["#accounts", "#inspect", "#life", "#host"]) part(id).hidden = true;
  part("#notice").hidden = true;
  if (kind !== null) notice(kind);
}

// There is no answer, or none any more.
function lost(error) {
  if (!(error instanceof NoAnswer)) throw error;
  const kind = error.code === "closed" && isOpen ? "ended" : error.code;
  blank(kind in NOTICES ? kind : "ended");
  isOver = kind !== "locked";
}

function update(state) {
  endsAt = state.ends_at;
  const names = state.accounts.map((account) => account.name);
  for (const [name, account] of accounts) {
    if (names.includes(name)) continue;
    account.wipe();
    accounts.delete(name);
  }
  for (const account of state.accounts) {
    if (!accounts.has(account.name)) {
      accounts.set(account.name, new Account(account.name, lost));
      part("#accounts").append(accounts.get(account.name).card);
    }
    accounts.get(account.name).update(account);
  }
  notice(names.length === 0 ? "empty" : null);
  part("#accounts").hidden = names.length === 0;
  for (const id of ["#inspect", "#life"]) part(id).hidden = false;
  show(part("#host"), `The agent on ${state.host}`);
  count();
}

function count() {
  if (endsAt === null || isOver) return;
  const left = endsAt - now();
  if (left <= 0) return lost(new NoAnswer("ended"));
  const text = duration(left);
  const isLast = left <= LAST_MINUTE;
  if (isLast && part("#life").dataset.last !== "true") say("This page ends in a minute.");
  part("#life").dataset.last = String(isLast);
  part("#ends-in").textContent = text;
  for (const account of accounts.values()) account.count();
}

async function look() {
  try {
    if (!isOpen) {
      await open(secret);
      secret = "";
      isOpen = true;
    }
    update(await ask("/state"));
  } catch (error) {
    lost(error);
  }
}

async function run() {
  for (;;) {
    if (!isOver) await look();
    await new Promise((done) => setTimeout(done, LOOK_AGAIN));
  }
}

part("#end").addEventListener("click", async () => {
  try {
    await ask("/end");
  } catch {
    // It has ended anyway.
  }
  lost(new NoAnswer("ended"));
});

// A new address in the same tab differs behind the `#` only.
addEventListener("hashchange", () => {
  if (location.hash.length < 2) return;
  secret = location.hash.slice(1);
  history.replaceState(null, "", "/");
  isOpen = isOver = false;
  look();
});

// What a browser keeps to go back to holds no token.
addEventListener("pagehide", () => blank(null));
addEventListener("pageshow", (event) => { if (event.persisted && !isOver) look(); });

setInterval(count, 1000);
run();
