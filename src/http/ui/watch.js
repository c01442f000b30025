// The subscription to the rockets that are in sight: those of the table, and that of
// the panel. It is opened anew when others come into sight.

import { query } from "./api.js";
import { Stream } from "./stream.js";

/** Longest address, and most IDs in it; what is beyond is asked for again instead. */
const LONGEST = 6000;
const MOST = 100;

const wanted = { table: [], panel: [] };
const listeners = { rocket: [], start: [], forgotten: [] };

/** Calls `listener` with each `rocket`, at each `start`, and for what is `forgotten`. */
export const listen = (what, listener) => listeners[what].push(listener);

const stream = new Stream((name, data) => {
  if (name === "rocket" || name === "explosion") tell("rocket", data);
  else if (name === "forgotten") tell("forgotten", data.id);
  else if (name === "hello" || name === "reset") tell("start");
});

function tell(what, data) {
  for (const listener of listeners[what]) listener(data);
}

/** Watches these rockets for `who`, one of `table` and `panel`. */
export function follow(who, ids) {
  wanted[who] = ids;
  const chosen = [];
  let length = 0;
  for (const id of new Set([...wanted.panel, ...wanted.table])) {
    length += encodeURIComponent(id).length + 4;
    if (length > LONGEST || chosen.length === MOST) break;
    chosen.push(id);
  }
  // In one order, so that the same rockets are the same subscription.
  chosen.sort();
  stream.follow(chosen.length > 0 ? `events${query({ id: chosen })}` : null);
}

export const again = () => stream.again();
