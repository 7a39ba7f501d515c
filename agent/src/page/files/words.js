// Words and lines: how long something lasts, and what is pasted into a shell.

const UNITS = [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// "2 days 3 h", "1 h 5 min", "4 min 7 s": two units are enough.
export function duration(seconds) {
  const words = [];
  let left = Math.max(0, Math.floor(seconds));
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0 || (words.length > 0 && words.length < 2) || unit === "s") {
      words.push(unit === "day" ? `${count} ${count === 1 ? "day" : "days"}` : `${count} ${unit}`);
    }
    if (words.length === 2) break;
  }
  return words.join(" ");
}

// A time of day, with the date where it is another day's. Seconds since the epoch.
export function clock(time) {
  const date = new Date(time * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { year: "numeric", month: "2-digit", day: "2-digit" };
  return new Intl.DateTimeFormat("sv-SE", { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(date);
}

// A word as a shell reads it.
export function quoted(text) {
  return /^[A-Za-z0-9._~+/=:@%-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// What is copied. A line with a token begins with a blank, which keeps it out of the history of shells that are told so
// (`HISTCONTROL=ignorespace`).
export function line(kind, token, wish) {
  switch (kind) {
    case "curl": {
      const target = /^https:\/\/[^\s]+$/.test(wish.audience ?? "") ? wish.audience : "https://service.example/";
      return ` curl -H ${quoted(`Authorization: Bearer ${token}`)} ${quoted(target)}`;
    }
    case "export":
      return ` export BEARER_TOKEN=${quoted(token)}`;
    default:
      return token;
  }
}

// The command that prints such a token on this computer.
export function command(account, wish) {
  const words = ["oidc", "token"];
  if (wish.scope !== undefined) words.push("--scope", quoted(wish.scope));
  if (wish.audience !== undefined) words.push("--aud", quoted(wish.audience));
  return [...words, quoted(account)].join(" ");
}
