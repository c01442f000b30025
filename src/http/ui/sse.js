// A reader of `text/event-stream`, for `fetch`: EventSource gives up for good at the
// first 503, and cannot send a token. Pure; does not own the connection (`stream`).

export class EventParser {
  #rest = "";
  #event = "";
  #data = [];
  #id = null;
  retry = null;

  /** Takes a piece of the stream, and returns the events that it completes. */
  push(piece) {
    const text = this.#rest + piece;
    const events = [];
    let from = 0;
    for (;;) {
      const end = text.indexOf("\n", from);
      if (end < 0) break;
      const line = text.slice(from, text[end - 1] === "\r" ? end - 1 : end);
      from = end + 1;
      if (line !== "") this.#field(line);
      else if (this.#data.length > 0 || this.#event !== "") events.push(this.#take());
    }
    this.#rest = text.slice(from);
    return events;
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id") this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #take() {
    const event = { name: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    this.#event = "";
    this.#data = [];
    return event;
  }
}
