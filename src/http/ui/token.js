// The form that asks for a token. The token stays in this tab (`sessionStorage`), and
// goes out in a header; never in an address.

import { hasToken, onTokenNeeded, useToken } from "./api.js";
import { byId, setHidden, setText } from "./dom.js";

/** What may stand in a header and in a file of tokens. */
const TOKEN = /^[\w\-.~+/]+=*$/;

export function begin(onToken) {
  const dialog = byId("token");
  const field = byId("token-value");
  const show = () => {
    setHidden(byId("forget-token"), !hasToken());
    if (!dialog.open) dialog.showModal();
  };
  onTokenNeeded((refusal) => {
    setText(byId("token-why"), hasToken() ? `That token is not accepted: ${refusal.message}` : "");
    show();
  });
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = field.value.trim();
    if (!TOKEN.test(given)) {
      setText(byId("token-why"), "A token has letters, digits and - . _ ~ + / only.");
      return;
    }
    field.value = "";
    dialog.close();
    useToken(given);
    onToken();
  });
  byId("token-later").addEventListener("click", () => dialog.close());
  byId("enter-token").addEventListener("click", show);
  byId("forget-token").addEventListener("click", () => {
    useToken("");
    dialog.close();
    onToken();
  });
}
