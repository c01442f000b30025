#!/usr/bin/env bash
# Measures everything side by side, and writes one table of what was wanted and
# what was measured:
#
#     benches/all.sh [DIRECTORY]
#
# DIRECTORY (docs/bench/DATE) gets
#     README.md       the table
#     connections/    servers against each other at 1 to 1,024 connections
#                     (compare.sh with examples/post), and connections.svg
#     connections-wrk/  the same with wrk, at 3, 64 and 256 connections
#     scale/          bulk, a million rockets, idle connections, checkpoints,
#                     restarts, and an fdatasync loop (scale/)
#     hot_path.txt    criterion's figures for one message
#
# Installs wrk and redis-server from Debian's packages where they are missing.
# Takes some 30 minutes; the machine should have nothing else to do. Rounds, their
# seconds and the numbers of connections can be set as for compare.sh.
set -euo pipefail

directory=${1:-docs/bench/$(date -u +%F)}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
cd "$(dirname "$0")/.."
source benches/rounds.sh

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

if ! command -v wrk >/dev/null || ! command -v redis-benchmark >/dev/null; then
    as_root apt-get update
    as_root apt-get install -y wrk redis-server
    # Its package starts one, which would take part in everything.
    as_root service redis-server stop || true
fi

cargo build --release --bins --examples
cargo bench --bench hot_path --no-run
binaries="${CARGO_TARGET_DIR:-target}/release"

export SERVERS="floor memory fsync redis" ROUNDS=${ROUNDS:-9} SECONDS_EACH=${SECONDS_EACH:-2}
CLIENT=post CONNECTIONS=${CONNECTIONS:-1 3 16 64 256 1024} benches/compare.sh "$directory/connections"
CLIENT=wrk CONNECTIONS="3 64 256" benches/compare.sh "$directory/connections-wrk"
benches/plot.sh "$directory/connections/rounds.csv" >"$directory/connections.svg"
"$binaries/examples/scale" "$binaries/downlink" "$directory/scale"
cargo bench --bench hot_path -- --noplot | tee "$directory/hot_path.txt"

figures="$directory/scale/figures.tsv"

# cost BENCHMARK: criterion's median of one step, in nanoseconds.
cost() {
    sed -E 's/.*"median":\{"confidence_interval":\{[^}]*\},"point_estimate":([0-9.]+).*/\1/' \
        "${CARGO_TARGET_DIR:-target}/criterion/$1/new/estimates.json"
}

# row WHAT LEAST|MOST BOUND MEASURED UNIT DETAIL
row() {
    awk -v what="$1" -v side="$2" -v bound="$3" -v measured="$4" -v unit="$5" -v detail="$6" 'BEGIN {
        reached = side == "least" ? measured >= bound : measured <= bound
        printf "| %s | at %s %s%s | %.2f%s | %s | %s |\n", what, side, bound, unit, measured, unit, \
            reached ? "yes" : "**no**", detail
    }'
}

# against WHAT BOUND SERVER OTHER CONNECTIONS: with each client.
against() {
    local part rounds
    for part in connections connections-wrk; do
        rounds="$directory/$part/rounds.csv"
        row "$1, by ${client[$part]}" least "$2" "$(ratio_of "$rounds" "$3" "$4" "$5")" "" \
            "$(median_of "$rounds" "$3" "$5" 6)/s against $(median_of "$rounds" "$4" "$5" 6)/s"
    done
}
declare -A client=([connections]=post [connections-wrk]=wrk)

# dearer WHAT BOUND MANY FEW
dearer() {
    local many few
    many=$(cost "$3")
    few=$(cost "$4")
    row "$1" most "$2" "$(awk -v a="$many" -v b="$few" 'BEGIN { print a / b }')" "" \
        "$(printf '%.0f ns against %.0f ns' "$many" "$few")"
}

{
    echo "# Everything, side by side"
    echo
    echo "Made by \`benches/all.sh\`; hardware and command lines are in [connections/environment.txt](connections/environment.txt). Client and server share the machine. Rates are medians and ratios medians of the ratios of single rounds, from [connections/rounds.csv](connections/rounds.csv) and [connections-wrk/rounds.csv](connections-wrk/rounds.csv), one message a request: with the client of this repository, \`post\` (benches/post.rs), and with wrk, which takes more of the machine from the servers."
    echo
    echo "![throughput and p99 against the number of connections](connections.svg)"
    echo
    echo "| what | wanted | measured | reached | from |"
    echo "|---|---|---|---|---|"
    against "in memory, 64 connections, against the bare handler (further goal: 0.95)" 0.85 memory floor 64
    against "fsync, 64 connections, against the bare handler" 0.65 fsync floor 64
    against "fsync, 64 connections, against in memory" 0.65 fsync memory 64
    against "fsync, 256 connections, against in memory" 0.80 fsync memory 256
    against "fsync, 64 connections, against Redis (further goal: 1.4)" 1.25 fsync redis 64
    against "fsync, 256 connections, against Redis (further goal: 1.4)" 1.25 fsync redis 256
    against "fsync, 3 connections, against Redis (further goal: 1.2)" 1.0 fsync redis 3
    # The columns of figures.tsv: what, value, unit, wanted, raw.
    sed 1d "$figures" | while IFS=$'\t' read -r what value unit wanted raw; do
        case $wanted in
        "at least "*) row "$what" least "${wanted#at least }" "$value" " $unit" "$raw" ;;
        "at most "*) row "$what" most "${wanted#at most }" "$value" " $unit" "$raw" ;;
        *) echo "| $what | $wanted | $value $unit | | $raw |" ;;
        esac
    done
    dearer "a message with 10,000 buffered, against 10 buffered" 2 \
        admit_and_apply/buffered/10000 admit_and_apply/buffered/10
    dearer "a message, parsed, ordered and folded, among 1,000,000 rockets, against among 1,000" 3 \
        parse_route_admit_and_apply/in_order_rockets/1000000 \
        parse_route_admit_and_apply/in_order_rockets/1000
    printf '| of that, ordering and folding alone | no bound | %.0f ns against %.0f ns | | caches are smaller than a million rockets |\n' \
        "$(cost admit_and_apply/in_order_rockets/1000000)" "$(cost admit_and_apply/in_order_rockets/1000)"
} >"$directory/README.md"
cat "$directory/README.md"
