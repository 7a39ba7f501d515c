// Asking the agent: by POST only, with the cookie that scripts cannot read and a word that nobody else knows.

let word = null;
let agentTime = 0;
let heardAt = 0;

// Why there is no answer: "ended" (nobody is there), "closed" (this page was not let in), "locked", or the agent's own code.
export class NoAnswer extends Error {
  constructor(code, text = "", info = "") {
    super(text);
    this.code = code;
    this.info = info;
  }
}

export async function ask(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  if (word !== null) headers["X-Oidc-Page"] = word;
  let response;
  try {
    response = await fetch(path, {
      method: "POST", headers, body: JSON.stringify(body), cache: "no-store", credentials: "same-origin", redirect: "error",
    });
  } catch {
    throw new NoAnswer("ended");
  }
  if (response.status === 423) throw new NoAnswer("locked");
  if (response.status !== 200) throw new NoAnswer("closed");
  const answer = await response.json();
  if (answer.error !== undefined) throw new NoAnswer(answer.error_code, answer.description ?? answer.error, answer.info ?? "");
  if (answer.now !== undefined) {
    agentTime = answer.now;
    heardAt = performance.now();
  }
  return answer;
}

// Is let in: by the secret of the address, or, loaded again, by the cookie.
export async function open(secret) {
  word = null;
  word = (await ask("/open", secret === "" ? {} : { secret })).word;
}

// The time by the agent's clock: this browser may run on another computer, or be wrong.
export function now() {
  return agentTime + (performance.now() - heardAt) / 1000;
}
