// Keys of the whole page: `/` searches, `Esc` closes what is open; and the way past the
// header.

import { byId } from "./dom.js";

export function begin({ close }) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.closest?.("input, select, textarea");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      // Something may cover it.
      if (byId("search").closest("[inert]")) close();
      byId("search").focus();
      byId("search").select();
    } else if (event.key === "Escape") {
      // What the browser closes itself is not ours too.
      if (document.querySelector("dialog[open], :popover-open")) return;
      if (event.target === byId("search") && byId("search").value !== "") return;
      close();
    }
  });
  // What has the focus is not to be under the bar, which has two lines or three where
  // there is little room.
  const bar = document.querySelector("header");
  new ResizeObserver(() => {
    document.documentElement.style.scrollPaddingBlockStart = `${bar.offsetHeight + 16}px`;
  }).observe(bar);
  byId("skip").addEventListener("click", (event) => {
    // The address says what is shown, so it is not this link's.
    event.preventDefault();
    (byId("filters").hidden ? byId("first-message").parentElement : byId("search")).focus();
  });
}
