// What a reader has chosen for this browser: the theme, when a rocket counts as
// silent, and when a wait is too long. Kept in `localStorage`, if that is allowed.

import { byId } from "./dom.js";
import { paint } from "./paint.js";

const KEPT = "downlink.settings";
const chosen = { theme: "auto", stale: "60", limit: "30", ...kept() };

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  } catch {
    return {};
  }
}

/** Milliseconds without a message after which a rocket is silent. */
export const staleAfter = () => Number(chosen.stale) * 1000 || Infinity;

/** Milliseconds of waiting that are too long. */
export const waitLimit = () => Number(chosen.limit) * 1000 || Infinity;

function apply() {
  const root = document.documentElement;
  if (chosen.theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", chosen.theme);
  paint("settings");
}

export function begin() {
  for (const name of Object.keys(chosen)) {
    const choice = byId(`setting-${name}`);
    if (!choice) continue;
    choice.value = chosen[name];
    // Something else was kept than there is to choose.
    if (choice.value === "") choice.selectedIndex = 0;
    choice.addEventListener("change", () => {
      chosen[name] = choice.value;
      try {
        localStorage.setItem(KEPT, JSON.stringify(chosen));
      } catch {
        // Then for as long as the page is open.
      }
      apply();
    });
  }
  apply();
}
