// A subscription to `GET /events` that comes back by itself: with back-off and jitter
// after faults, at once when the browser says that it is online again, and not while
// nobody looks. Owns the connection and its state; does not own what events mean.

import { ask, Refusal } from "./api.js";
import { parse } from "./json.js";
import { EventParser } from "./sse.js";

/** `stats` comes once a second; without it for so long the server is gone. */
const SILENCE = 5_000;
/** Between two looks at what has come: the page is painted four times a second. */
const REST = 200;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 10_000;

export class Stream {
  #path = null;
  #listen;
  #tell;
  #attempt = 0;
  #abort = null;
  #timer = null;

  /**
   * `listen(name, data)` gets each event, `tell(state, { detail, until })` each change:
   * connecting, live, starting, full, stopping, lost, token, off.
   */
  constructor(listen, tell = () => {}) {
    this.#listen = listen;
    this.#tell = tell;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#stop("off") : this.#open()));
    window.addEventListener("online", () => this.retry());
  }

  /** Subscribes to this, instead of what it was; to nothing if that is null. */
  follow(path) {
    if (path === this.#path) return;
    this.#path = path;
    this.#attempt = 0;
    this.#stop("off");
    this.#open();
  }

  /** Does not wait any longer, if it waits. */
  retry() {
    if (this.#timer === null) return;
    this.#attempt = 0;
    this.#open();
  }

  /** Begins anew: with another token, or after a reset. */
  again() {
    this.#stop("connecting");
    this.#attempt = 0;
    this.#open();
  }

  #stop(state) {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#abort?.abort();
    this.#abort = null;
    this.#tell(state, {});
  }

  async #open() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#path === null || document.hidden || this.#abort) return;
    if (this.#attempt === 0) this.#tell("connecting", {});
    const abort = new AbortController();
    this.#abort = abort;
    let end;
    try {
      end = await this.#read(abort);
    } catch (error) {
      end = endOf(error);
    }
    // Another one has been opened instead, or nobody looks.
    if (this.#abort !== abort) return;
    abort.abort();
    this.#abort = null;
    if (end.state === "token") return this.#tell("token", end);
    this.#wait(end);
  }

  #wait({ state, detail, atLeast = 0 }) {
    const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempt);
    const delay = Math.max(atLeast, longest * (0.5 + Math.random() / 2));
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#open(), delay);
    this.#tell(state, { detail, until: Date.now() + delay });
  }

  /** Reads until the end, and returns how to call it. */
  async #read(abort) {
    let silence = setTimeout(() => abort.abort(), SILENCE);
    try {
      const answer = await ask(this.#path, { accept: "text/event-stream", signal: abort.signal });
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      const parser = new EventParser();
      let bye = null;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return bye ?? { state: "lost", atLeast: parser.retry ?? 0 };
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENCE);
        for (const event of parser.push(decoder.decode(value, { stream: true }))) {
          if (this.#abort !== abort) return {};
          const data = parse(event.data || "{}");
          if (event.name === "bye") {
            bye = { state: "stopping", detail: data.reason };
            this.#tell("stopping", bye);
          } else {
            if (event.name === "hello") {
              this.#attempt = 0;
              this.#tell("live", {});
            }
            this.#listen(event.name, data);
          }
        }
        await new Promise((rested) => setTimeout(rested, REST));
      }
    } finally {
      clearTimeout(silence);
    }
  }
}

const STATES = { "/problems/unavailable": "starting", "/problems/too-many-subscribers": "full" };

/** What a subscription that failed says about the service. */
function endOf(error) {
  if (!(error instanceof Refusal)) return { state: "lost" };
  if (error.isAboutTokens) return { state: "token", detail: error.message };
  // What else refuses may be a proxy whose service is gone.
  const state = STATES[error.type] ?? "lost";
  return { state, detail: error.message, atLeast: Math.min(error.retryAfter, LONGEST_DELAY) };
}
