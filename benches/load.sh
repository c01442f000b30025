#!/usr/bin/env bash
# Runs the release service, and the launcher against it with --verify. Arguments
# take the place of the launcher's flags below. Fails if the launcher does, or if
# the service does not stop cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/servers.sh

if (($# == 0)); then
    set -- --max-messages 20000 --concurrency-level 16 --duplicates 5% --shuffle 300
fi
scratch=$(mktemp -d)
trap 'stop_server || true; rm -rf "$scratch"' EXIT

start_server "$scratch/log" "$binaries/downlink" --durability memory --data-dir "$scratch/data"
echo "the service listens on $address"
"$binaries/rockets" launch "http://$address/messages" --verify "$@"
stop_server
echo "the service stopped cleanly; its log:"
cat "$scratch/log"
