#!/usr/bin/env bash
# Runs the release service and a short verified run of the launcher against it;
# arguments are added to the launcher's. Fails if the launcher does.
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/servers.sh

scratch=$(mktemp -d)
trap 'stop_server || true; rm -rf "$scratch"' EXIT

start_server "$scratch/log" "$binaries/downlink" --durability memory --data-dir "$scratch/data"
echo "the service listens on $address"
"$binaries/rockets" launch "http://$address/messages" \
    --max-messages 20000 --concurrency-level 16 --duplicates 5% --shuffle 300 --verify "$@"
stop_server
echo "the service stopped cleanly; its log:"
cat "$scratch/log"
