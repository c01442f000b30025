// Buttons that copy a text. The clipboard's own interface is missing on plain
// `http://host`; what is selected can be copied there too.

import { setText } from "./dom.js";

const SAID = 2000;

export function copyButton(button, textOf) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    setText(button, (await copy(textOf())) ? "Copied" : "Cannot copy here");
    setTimeout(() => setText(button, label), SAID);
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return isDone;
}
