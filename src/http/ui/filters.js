// The conditions of the listing, as controls: they show what the address says, and
// change it.

import { byId, el, keyed, setAttribute, setHidden } from "./dom.js";
import { paint } from "./paint.js";
import * as route from "./route.js";

/** Milliseconds after the last key, so that not every letter is a question. */
const PAUSE = 200;

/** The controls, by what they are a condition on. */
const CONTROLS = {
  id_prefix: "search",
  mission: "filter-mission",
  rocket_type: "filter-type",
  status: "filter-status",
  waiting: "filter-waiting",
};

let timer = null;
const types = new Set();

export function begin() {
  for (const [name, id] of Object.entries(CONTROLS)) {
    const control = byId(id);
    const value = () => (control.type === "checkbox" ? (control.checked ? "true" : "") : control.value);
    if (name === "id_prefix") {
      control.addEventListener("input", () => {
        clearTimeout(timer);
        // One entry of the history for a search, and not one for each letter.
        const replace = route.current().id_prefix !== "";
        timer = setTimeout(() => {
          timer = null;
          apply({ id_prefix: value() }, { replace });
        }, PAUSE);
      });
    } else {
      control.addEventListener("change", () => apply({ [name]: value() }));
    }
  }
  byId("clear").addEventListener("click", () => {
    clear();
    // The button goes away, and the focus would with it.
    byId("search").focus();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  route.onRoute(show);
  show(route.current());
}

function apply(change, options) {
  const [[name, value]] = Object.entries(change);
  if (route.current()[name] === value) return;
  route.list(change, options);
  paint("route");
}

export function clear() {
  clearTimeout(timer);
  timer = null;
  route.list({ id_prefix: "", mission: "", rocket_type: "", status: "", waiting: "" });
}

function show(its) {
  for (const [name, id] of Object.entries(CONTROLS)) {
    const control = byId(id);
    if (control.type === "checkbox") control.checked = its[name] === "true";
    // Who types knows better than the address.
    else if ((name !== "id_prefix" || timer === null) && control.value !== its[name]) control.value = its[name];
  }
  setHidden(byId("clear"), !route.hasConditions(its));
  setAttribute(byId("filters"), "data-active", route.hasConditions(its));
}

/** Offers these to choose from. */
export function offerMissions(names) {
  offer("missions-known", names);
}

/** Offers the types that have been in sight. */
export function offerTypes(rows) {
  const before = types.size;
  for (const { rocket } of rows) if (types.size < 100) types.add(rocket.rocket_type);
  if (types.size !== before) offer("types-known", [...types].sort());
}

function offer(id, names) {
  keyed(byId(id), names, (name) => name, (name) => el("option", { value: name }), () => {});
}
