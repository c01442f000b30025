#!/usr/bin/env python3
"""Watches the fleet: python3 watch.py [http://localhost:8088]. Needs nothing but Python."""
import http.client, json, random, sys, time, urllib.request

service = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8088"
rockets, last = {}, ""  # what is known, by ID; how far the feed was read

def get(path, accept="application/json"):
    return urllib.request.urlopen(urllib.request.Request(service + path, headers={"Accept": accept}), timeout=10)

def see(rocket):  # an event or a row of a listing; the newer one counts
    version = rocket["last_message_number"] + rocket["buffered_messages"]
    if version >= rockets.get(rocket["id"], (0,))[0]:
        rockets[rocket["id"]] = (version, rocket)
        print(rocket["id"], rocket["status"], rocket["speed"], rocket["mission"], flush=True)

while True:
    try:
        for line in get(f"/events?last_event_id={last}", "application/x-ndjson"):
            event = json.loads(line)
            last = event.get("id", last)
            if event["event"] in ("rocket", "explosion"):
                see(event["data"])
            elif event["event"] == "forgotten":
                rockets.pop(event["data"]["id"], None)
            elif event["event"] == "reset" or (event["event"] == "hello" and not rockets):
                rockets.clear()  # list, and watch on
                for rocket in json.load(get("/rockets")):
                    see(rocket)
    except (OSError, ValueError, http.client.HTTPException) as problem:
        print(f"{problem}; trying again", file=sys.stderr, flush=True)
    time.sleep(random.uniform(1, 3))
