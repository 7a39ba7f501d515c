// A token that somebody has pasted: what it says, and whether it can be believed. The agent judges.

import { NoAnswer, ask } from "./ask.js";
import { list, say, texts } from "./say.js";

const TITLES = { good: "Verified", bad: "Not to be believed", unknown: "Not verified" };

const part = (selector) => document.querySelector(selector);

export class Inspector {
  // `lost` is called with a NoAnswer that concerns the whole page.
  constructor(lost) {
    this.lost = lost;
    part("#inspect-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.look(event.submitter ?? part("#inspect-form [type=submit]"));
    });
    part("#inspect-clear").addEventListener("click", () => {
      this.wipe();
      part("#pasted").focus();
    });
  }

  async look(button) {
    const text = part("#pasted").value;
    if (text.trim() === "" || button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-busy", "true");
    part("#inspected").replaceChildren();
    try {
      this.tell(await ask("/inspect", { text }));
    } catch (error) {
      if (!(error instanceof NoAnswer) || ["ended", "closed", "locked"].includes(error.code)) return this.lost(error);
      part("#inspected").replaceChildren(...texts("p", "problem", [error.message]));
      say(error.message, true);
    } finally {
      button.removeAttribute("aria-disabled");
      button.removeAttribute("aria-busy");
    }
  }

  tell({ tokens, has_refresh_token: hasRefreshToken, left_out: leftOut }) {
    const told = tokens.map((token) => {
      const copy = part("#inspected-token").content.cloneNode(true);
      const verdict = copy.querySelector(".verdict");
      verdict.dataset.verdict = token.verdict;
      verdict.querySelector("strong").textContent = TITLES[token.verdict];
      verdict.querySelector("span").textContent = token.why;
      copy.querySelector(".problems").replaceChildren(...token.problems.map((problem) => {
        const item = texts("li", null, [problem.text])[0];
        item.dataset.severity = problem.severity;
        return item;
      }));
      copy.querySelector(".problems").hidden = token.problems.length === 0;
      list(copy.querySelector(".facts"), token.facts);
      list(copy.querySelector(".details"), token.details);
      return copy;
    });
    const remarks = [];
    if (hasRefreshToken) remarks.push("A refresh token stands there as well. It is worth more than a token: show it to nobody.");
    if (leftOut > 0) remarks.push(`${leftOut} more tokens stand there.`);
    part("#inspected").replaceChildren(...texts("p", "remark", remarks), ...told);
    say(tokens.map((token) => `${TITLES[token.verdict]}. ${token.why}`).join(" "), tokens.some((token) => token.verdict === "bad"));
  }

  wipe() {
    part("#pasted").value = "";
    part("#inspected").replaceChildren();
  }
}
