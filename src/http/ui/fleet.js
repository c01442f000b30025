// The fleet as a whole: the subscription that tells its figures, its explosions and
// the service's own state, once a second at least. Does not own single rockets
// (`rows`, `watch`).

import * as clock from "./clock.js";
import { paint, touch } from "./paint.js";
import * as rates from "./rates.js";
import { Stream } from "./stream.js";

/** Explosions of the whole fleet, and `stats`, which no filter holds back. */
const PATH = "events?status=Exploded";

export const fleet = {
  /** Of the subscription, as `Stream` tells it. */
  state: "connecting",
  stateSince: Date.now(),
  detail: "",
  until: 0,
  /** Since when the figures stand still; `null` while they do not. */
  since: null,
  stats: null,
  /** Of the service's start. */
  epoch: null,
  build: null,
};

const on = { explosion: [], forgotten: [], start: [] };

/**
 * Calls `listener` for each `explosion`, with the ID of each rocket that is `forgotten`,
 * and at each `start` of a subscription.
 */
export const listen = (what, listener) => on[what].push(listener);

const stream = new Stream(hear, (state, { detail = "", until = 0 }) => {
  fleet.since = state === "live" ? null : (fleet.since ?? Date.now());
  if (state !== fleet.state) fleet.stateSince = Date.now();
  Object.assign(fleet, { state, detail, until });
  paint("connection");
});

function hear(name, data) {
  if (name === "hello") {
    const isAnother = fleet.epoch !== null && fleet.epoch !== data.epoch;
    fleet.epoch = data.epoch;
    fleet.build = data.build;
    for (const listener of on.start) listener({ isAnother });
    touch("connection");
  } else if (name === "stats") {
    clock.follow(data.time);
    fleet.stats = data;
    rates.add(Date.parse(data.time), data.messages_per_second);
    touch("stats");
  } else if (name === "explosion") {
    for (const listener of on.explosion) listener(data);
  } else if (name === "forgotten") {
    for (const listener of on.forgotten) listener(data.id);
  } else if (name === "reset") {
    for (const listener of on.start) listener({ isAnother: false });
  }
}

/** How many rockets there are; `null` while that is not known. */
export function total() {
  const counts = fleet.stats?.rockets;
  return counts ? counts.launched + counts.exploded : null;
}

export const begin = () => stream.follow(PATH);
export const retry = () => stream.retry();
export const again = () => stream.again();
