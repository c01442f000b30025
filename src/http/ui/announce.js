// Says explosions to those who listen and do not look: at most every five seconds,
// several as one, and politely.

import { byId, setText } from "./dom.js";
import { plural, visible } from "./format.js";

const PAUSE = 5000;
/** So many by their names. */
const NAMED = 3;

let waiting = [];
let timer = null;

export function announce(id) {
  waiting.push(id);
  timer ??= setTimeout(say, 0);
}

function say() {
  timer = null;
  if (waiting.length === 0) return;
  const names = waiting.slice(0, NAMED).map((id) => visible(id));
  const rest = waiting.length - names.length;
  const what = `${plural(waiting.length, "rocket")} exploded: ${names.join(", ")}`;
  setText(byId("announcements"), rest > 0 ? `${what} and ${number(rest)} more` : what);
  waiting = [];
  timer = setTimeout(say, PAUSE);
}

const number = (count) => count.toLocaleString("en");
