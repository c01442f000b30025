// Watches the fleet: node watch.mjs [http://localhost:8088]. Needs nothing but Node.js 18.
const service = process.argv[2] ?? "http://localhost:8088";
const rockets = new Map(); // what is known, by ID
let last = ""; // how far the feed was read

function see(rocket) { // an event or a row of a listing; the newer one counts
  const version = rocket.last_message_number + rocket.buffered_messages;
  if (version < (rockets.get(rocket.id)?.version ?? 0)) return;
  rockets.set(rocket.id, { version, rocket });
  console.log(rocket.id, rocket.status, rocket.speed, rocket.mission);
}

async function take({ event, id, data }) {
  last = id ?? last;
  if (event === "rocket" || event === "explosion") see(data);
  else if (event === "forgotten") rockets.delete(data.id);
  else if (event === "reset" || (event === "hello" && rockets.size === 0)) {
    rockets.clear(); // list, and watch on
    for (const rocket of await (await fetch(`${service}/rockets`)).json()) see(rocket);
  }
}

for (;;) {
  try {
    const url = `${service}/events?last_event_id=${encodeURIComponent(last)}`;
    const answer = await fetch(url, { headers: { accept: "application/x-ndjson" } });
    if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.json()).detail}`);
    let rest = "";
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) await take(JSON.parse(line));
    }
  } catch (problem) {
    console.error(`${problem.message}; trying again`);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000 + 2000 * Math.random()));
}
