// The subscription to the rockets that are in sight: those of the table, and that of
// the panel. It is opened anew when others come into sight.

import { query } from "./api.js";
import { fleet } from "./fleet.js";
import { touch } from "./paint.js";
import { Stream } from "./stream.js";

/** Longest address, and most IDs in it; what is beyond is not told of. */
const LONGEST = 6000;
const MOST = 100;

const wanted = { table: [], panel: [] };
const listeners = { rocket: [], start: [], forgotten: [] };

/** Calls `listener` with each `rocket`, at each `start`, and for what is `forgotten`. */
export const listen = (what, listener) => listeners[what].push(listener);

/** Of the subscription, as `Stream` tells it. */
let state = "off";
/** The rockets that it is about. */
let watched = new Set();

const stream = new Stream(
  (name, data) => {
    if (name === "rocket" || name === "explosion") tell("rocket", data);
    else if (name === "forgotten") tell("forgotten", data.id);
    else if (name === "hello" || name === "reset") tell("start");
  },
  (its) => {
    state = its;
    touch("connection");
  },
);

/** Whether changes of all of these are told of. */
export const tells = (ids) => state === "live" && ids.every((id) => watched.has(id));

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
  watched = new Set(chosen);
  stream.follow(chosen.length > 0 ? `events${query({ id: chosen })}` : null);
}

/**
 * Whether there are as many subscribers as may be, so that what is in sight has to be
 * asked for every `POLL` milliseconds.
 */
export const isRefused = () => state === "full" || fleet.state === "full";
export const POLL = 5000;

export const retry = () => stream.retry();
export const again = () => stream.again();
