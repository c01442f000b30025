// What an empty fleet shows: the command that sends the first message here.

import { copyButton } from "./copy.js";
import { byId, setText } from "./dom.js";

export function begin() {
  const address = new URL("messages", document.baseURI).href;
  setText(byId("first-message"), command(address));
  setText(byId("first-fleet"), `rockets launch ${quoted(address)}`);
  copyButton(byId("copy-message"), () => byId("first-message").textContent);
  copyButton(byId("copy-fleet"), () => byId("first-fleet").textContent);
}

function command(address) {
  const message = {
    metadata: {
      channel: "193270a9-c9cf-404a-8f83-838e71d9ae67",
      messageNumber: 1,
      messageType: "RocketLaunched",
      messageTime: new Date().toISOString(),
    },
    message: { type: "Falcon-9", launchSpeed: 500, mission: "ARTEMIS" },
  };
  return `curl ${quoted(address)} -d ${quoted(JSON.stringify(message, null, 2))}`;
}

/** For a shell, if it needs that. */
const quoted = (text) => (/^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
