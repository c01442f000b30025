// The rocket of the panel: its state, its recent past, and what it waits for. Kept up
// to date by the subscription; its past is asked for again when it has changed.
// Does not own how it is shown (`panel`).

import { query, read, readPage } from "./api.js";
import { paint, touch } from "./paint.js";
import { fleet, listen as listenToFleet } from "./fleet.js";
import * as route from "./route.js";
import { judge, makeRow, update, version } from "./rows.js";
import * as watch from "./watch.js";

const SOONEST = 2000;
/** Points of the live line that are kept beside its past. */
const MOST_POINTS = 600;

/** `null` while no panel is open. */
export let open = null;

function make(id) {
  return {
    id,
    row: null,
    gap: null,
    history: [],
    /** Speeds that came since the past was asked for. */
    live: [],
    hasHistory: true,
    isLoading: true,
    isDue: true,
    error: null,
    asked: 0,
    /** The version that all of it was asked for with. */
    askedVersion: null,
    /** The service does not take its ID. */
    isSenseless: false,
  };
}

export function begin() {
  watch.listen("rocket", (rocket) => {
    if (open?.id !== rocket.id) return;
    hear(rocket);
    touch("rocket");
  });
  watch.listen("forgotten", (id) => {
    if (open?.id !== id) return;
    // What comes of it now is of another life.
    open = { ...make(id), asked: open.asked };
    soon();
  });
  watch.listen("start", soon);
  listenToFleet("start", ({ isAnother }) => {
    if (isAnother && open) open.row = null;
    load();
  });
  route.onRoute(show);
  setInterval(look, 500);
  show(route.current());
}

function show({ rocket }) {
  if (rocket === (open?.id ?? null)) return;
  open = rocket === null ? null : make(rocket);
  watch.follow("panel", rocket === null ? [] : [rocket]);
  load();
  paint("rocket", "route");
}

function hear(rocket) {
  open.row ??= makeRow(rocket);
  if (!update(open.row, rocket)) return;
  open.isLoading = false;
  const time = Date.parse(rocket.last_update_time);
  const last = open.live.at(-1);
  if (!last || time > last.time) open.live.push({ time, value: rocket.speed });
  if (open.live.length > MOST_POINTS) open.live.shift();
}

/** Now, or as soon as it may be asked again. */
function soon() {
  if (!open) return;
  open.isDue = true;
  if (Date.now() - open.asked >= SOONEST) load();
}

async function load() {
  const its = open;
  if (!its || its.isSenseless) return;
  its.asked = Date.now();
  its.isDue = false;
  const known = its.row?.version;
  try {
    // As a listing: it finds all IDs, and what is not there is no error.
    const { rows } = await readPage(`rockets${query({ id: its.id })}`);
    if (open !== its) return;
    // One that has gone back is another, whose end was missed.
    if (rows.length === 0 || version(rows[0]) < known) Object.assign(its, { row: null, history: [], live: [] });
    if (rows.length > 0) hear(rows[0]);
    const askedVersion = its.row?.version ?? null;
    const [gap, history] = await Promise.all([
      readPage(`gaps${query({ id: its.id })}`),
      rows.length > 0 ? past(its) : null,
    ]);
    if (open !== its) return;
    its.gap = gap.rows[0] ?? null;
    if (history) {
      its.history = history;
      const last = Date.parse(history.at(-1)?.time ?? "");
      if (Number.isFinite(last)) its.live = its.live.filter(({ time }) => time > last);
    }
    its.error = null;
    its.askedVersion = askedVersion;
  } catch (error) {
    if (open !== its) return;
    its.error = error.status ? error.message : null;
    its.isSenseless = error.status === 400 || error.status === 414;
    // Nor with those of the table.
    if (its.isSenseless) watch.follow("panel", []);
    its.isDue = true;
  }
  its.isLoading = false;
  paint("rocket");
}

async function past(its) {
  // No path leads to these two: clients take them for directories.
  if (!its.hasHistory || its.id === "." || its.id === "..") return [];
  try {
    return (await read(`rockets/${encodeURIComponent(its.id)}/history`)).entries;
  } catch (error) {
    // It may be switched off, which is no fault of the rocket.
    if (error.status !== 404) throw error;
    its.hasHistory = false;
    return [];
  }
}

function look() {
  if (!open || document.hidden) return;
  const passed = Date.now() - open.asked;
  if (watch.isRefused()) {
    if (passed > watch.POLL) load();
    return;
  }
  if (fleet.state !== "live" || passed < SOONEST) return;
  // One that is not launched is in no event.
  if (open.isDue || open.row === null || open.row.version !== open.askedVersion) load();
}

/** Its speeds over time, from its past and what has come since, oldest first. */
export function speeds() {
  const past = open.history.map(({ time, speed }) => ({ time: Date.parse(time), value: speed }));
  return [...past, ...open.live].sort((one, other) => one.time - other.time);
}

export function judged() {
  if (open.row) judge(open.row);
  return open.row;
}
