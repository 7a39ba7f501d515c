// The card of one account: its token, for how long, for what, and the ways to take it along.

import { NoAnswer, ask, now } from "./ask.js";
import { list, say, show } from "./say.js";
import { clock, command, duration, line } from "./words.js";

// A token that is about to expire is not worth copying: another one is asked for. Seconds.
const WORTH_COPYING = 60;
const COPIED = 2000;

const NAMES = { token: "Token", curl: "curl line", export: "export line", script: "Command" };

export class Account {
  // `lost` is called with a NoAnswer that concerns the whole page.
  constructor(name, lost) {
    this.name = name;
    this.lost = lost;
    this.known = null; // what is known of the token held by the agent
    this.held = null; // the token this page was given, with what it is for
    this.scopes = [];
    const card = document.querySelector("#account").content.cloneNode(true).firstElementChild;
    this.card = card;
    this.part = (selector) => card.querySelector(selector);
    this.part(".name").textContent = name;
    const title = this.part(".name");
    title.id = `account-${Account.count++}`;
    card.setAttribute("aria-labelledby", title.id);
    for (const button of card.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => this.copy(button, button.dataset.copy));
    }
    this.part("[data-new]").addEventListener("click", (event) => this.renew(event.currentTarget, true));
    this.part("[data-get]").addEventListener("click", (event) => this.renew(event.currentTarget, false));
    this.part("[data-show]").addEventListener("click", () => this.toggle());
    this.part("[data-all]").addEventListener("click", () => this.tick(true));
    this.part("[data-none]").addEventListener("click", () => this.tick(false));
    this.part(".choose").addEventListener("input", () => this.chosen());
  }

  // What the agent says of the account now.
  update(state) {
    this.part(".issuer").textContent = state.issuer;
    const problem = state.login_needed ? `You have to log in again: ${state.login_needed}`
      : state.client_refused ? `The provider refuses this account's client: ${state.client_refused}` : this.failed;
    show(this.part(".problem"), problem);
    show(this.part(".command code"), state.log_in);
    this.part(".command").hidden = !state.log_in;
    this.asks = state.confirm;
    const remarks = [];
    if (state.confirm) remarks.push("The agent asks you in a window before it gives out a token of this account.");
    if (state.unloaded_at) remarks.push(`The account is unloaded at ${clock(state.unloaded_at)}.`);
    show(this.part(".remark"), remarks.join(" "));
    if (JSON.stringify(this.scopes) !== JSON.stringify(state.scopes)) this.offer(state.scopes);
    this.known = state.token;
    if (this.held === null) this.describe();
  }

  // Boxes to choose from, all of them ticked: that is the account's own token.
  offer(scopes) {
    this.scopes = scopes;
    const boxes = scopes.map((scope) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.value = scope;
      label.append(box, scope);
      return label;
    });
    this.part(".boxes").replaceChildren(...boxes);
    this.part(".scopes").hidden = scopes.length === 0;
    this.chosen();
  }

  tick(all) {
    for (const box of this.part(".boxes").querySelectorAll("input")) box.checked = all;
    this.chosen();
  }

  // What is wanted: without a scope those of the account, without an audience none in particular.
  wish() {
    const words = (selector) => this.part(selector).value.split(/\s+/).filter((word) => word !== "");
    const ticked = [...this.part(".boxes").querySelectorAll("input:checked")].map((box) => box.value);
    const other = words(".other");
    const wish = {};
    if (other.length > 0 || ticked.length < this.scopes.length) wish.scope = [...ticked, ...other].join(" ");
    if (words(".audience").length > 0) wish.audience = words(".audience").join(" ");
    return wish;
  }

  // Whether the token at hand is the one that is wanted.
  fits() {
    return this.held !== null && JSON.stringify(this.held.wish) === JSON.stringify(this.wish());
  }

  chosen() {
    const { scope, audience } = this.wish();
    const words = [scope === undefined ? "those of the account" : scope === "" ? "none" : scope];
    if (audience !== undefined) words.push(`for ${audience}`);
    this.part(".chosen").textContent = words.join(", ");
    this.part(".line").textContent = command(this.name, this.wish());
    this.part("[data-get]").disabled = scope === "";
    this.describe();
  }

  // Shows what is known of the token that is at hand, or else of the one that the agent holds.
  describe() {
    const own = this.wish();
    const isDefault = own.scope === undefined && own.audience === undefined;
    const token = this.fits() ? this.held : isDefault ? this.known : null;
    this.shown = token;
    list(this.part(".facts"), token?.facts ?? []);
    this.part(".held").hidden = !this.fits();
    this.write();
    this.count();
  }

  // The token itself: its ends, or all of it.
  write() {
    const isOpen = this.part("[data-show]").getAttribute("aria-expanded") === "true";
    const token = this.fits() ? this.held.access_token : "";
    const ends = token.length > 40 ? `${token.slice(0, 10)} … ${token.slice(-6)}` : "…";
    this.part(".value").textContent = token === "" ? "" : isOpen ? token : ends;
  }

  toggle() {
    const button = this.part("[data-show]");
    const isOpen = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(isOpen));
    button.textContent = isOpen ? "Hide" : "Show";
    this.write();
  }

  // Once a second.
  count() {
    const token = this.shown;
    const left = token?.expires_at ? token.expires_at - now() : null;
    const state = !token ? "none" : left === null ? "unknown" : left <= 0 ? "over" : left < WORTH_COPYING ? "soon" : "good";
    const texts = { none: "no token yet", unknown: "valid, nobody knows for how long", over: "expired" };
    const part = this.part(".clock");
    if (state === "over" && part.dataset.state === "soon") say(`The token of ${this.name} has expired.`);
    part.dataset.state = state;
    const text = texts[state] ?? `${duration(left)} left`;
    if (this.part(".left").textContent !== text) this.part(".left").textContent = text;
    show(this.part(".until"), left === null ? null : `${left > 0 ? "valid until" : "since"} ${clock(token.expires_at)}`);
    this.part(".bar").hidden = left === null;
    this.part(".bar").value = left === null ? 0 : Math.max(0, Math.min(1, left / (token.lifetime || left)));
  }

  // Asks for a token, unless the one at hand will do.
  async obtain(isNew) {
    const wish = this.wish();
    if (!isNew && this.fits() && (!this.held.expires_at || this.held.expires_at - now() > WORTH_COPYING)) return this.held;
    const token = await ask("/token", { account: this.name, new: isNew, ...wish });
    this.held = { ...token, wish };
    this.failed = null;
    show(this.part(".problem"), token.warnings.join("\n"));
    this.describe();
    return this.held;
  }

  async renew(button, isNew) {
    const token = await this.busy(button, () => this.obtain(isNew));
    if (token) say(`${this.name}: a token${token.expires_at ? ` for ${duration(token.expires_at - now())}` : ""}.`);
  }

  async copy(button, kind) {
    if (kind === "script") return this.put(button, kind, this.part(".line").textContent);
    const token = await this.busy(button, () => this.obtain(false));
    if (token) await this.put(button, kind, line(kind, token.access_token, token.wish));
  }

  // Into the clipboard; where that is not allowed, into a field from which it can be taken.
  async put(button, kind, text) {
    const fallback = this.part(".fallback");
    try {
      await navigator.clipboard.writeText(text);
      fallback.hidden = true;
      fallback.querySelector("textarea").value = "";
      say(`${NAMES[kind]} of ${this.name} copied.`);
      button.dataset.done = "true";
      setTimeout(() => delete button.dataset.done, COPIED);
    } catch {
      fallback.hidden = false;
      const field = fallback.querySelector("textarea");
      field.value = text;
      field.focus();
      field.select();
      field.scrollTop = 0;
    }
  }

  // Does something while a button says that it is being done.
  async busy(button, work) {
    if (button.getAttribute("aria-disabled") === "true") return null;
    button.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-busy", "true");
    if (this.asks && !this.fits()) say(`The agent asks you about ${this.name} in a window.`);
    try {
      return await work();
    } catch (error) {
      this.fail(error);
      return null;
    } finally {
      button.removeAttribute("aria-disabled");
      button.removeAttribute("aria-busy");
    }
  }

  fail(error) {
    if (!(error instanceof NoAnswer) || ["ended", "closed", "locked"].includes(error.code)) return this.lost(error);
    this.failed = [error.message, error.info].filter((text) => text).join("\n");
    show(this.part(".problem"), this.failed);
    say(`${this.name}: ${error.message}`, true);
  }

  // Nothing is left of it.
  wipe() {
    this.held = this.known = this.shown = null;
    this.part(".value").textContent = "";
    this.part(".fallback textarea").value = "";
    this.card.remove();
  }
}

Account.count = 0;
