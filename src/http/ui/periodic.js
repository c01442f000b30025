// Asking again for what has changed: while somebody looks, the service is there, and
// not too often. Does not own what is asked.

import { fleet, listen } from "./fleet.js";

/**
 * Calls `load` at each start of the subscription, and when the fleet's version is
 * another, but not more often than every `period` milliseconds.
 */
export function whenChanged(period, load) {
  let asked = 0;
  let version = null;
  let isAsking = false;

  async function run() {
    if (isAsking) return;
    isAsking = true;
    asked = Date.now();
    version = fleet.stats?.version ?? null;
    try {
      await load();
    } catch {
      // Said by the subscription, or by the answer to what else was asked.
      version = null;
    }
    isAsking = false;
  }

  listen("start", run);
  setInterval(() => {
    if (document.hidden || fleet.state !== "live" || Date.now() - asked < period) return;
    if (version === null || fleet.stats?.version !== version) run();
  }, 500);
  return run;
}
