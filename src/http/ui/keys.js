// Keys of the whole page: `/` searches, `Esc` closes what is open.

import { byId } from "./dom.js";

export function begin({ close }) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.closest?.("input, select, textarea");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      byId("search").focus();
      byId("search").select();
    } else if (event.key === "Escape") {
      // What the browser closes itself is not ours too.
      if (document.querySelector("dialog[open], :popover-open")) return;
      if (event.target === byId("search") && byId("search").value !== "") return;
      close();
    }
  });
}
