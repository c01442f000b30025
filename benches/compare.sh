#!/usr/bin/env bash
# Measures the in-memory service against the floor (benches/floor.rs), one
# message a request over kept-alive connections, in alternating rounds of one
# run, so that both see the same machine.
#
#     benches/compare.sh DIRECTORY
#
# DIRECTORY gets the raw data: wrk's output of every round, rounds.csv, the
# table, and what it ran on. From the environment: ROUNDS (5), SECONDS_EACH (5),
# CONNECTIONS ("3 64 256"), WRK_THREADS (1). Fails when a request is answered
# with anything but 2xx, or when the service did not take every message in.
set -euo pipefail

directory=${1:?usage: benches/compare.sh DIRECTORY}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-5}
connections=${CONNECTIONS:-3 64 256}
threads=${WRK_THREADS:-1}

command -v wrk >/dev/null || {
    echo "wrk is missing; install it with: apt-get install wrk" >&2
    exit 1
}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
cd "$(dirname "$0")/.."
source benches/servers.sh
trap 'stop_server || true' EXIT

declare -A command=(
    [floor]="examples/floor"
    [service]="downlink --durability memory"
)

{
    echo "date: $(date -u +%FT%TZ)"
    echo "system: $(uname -srm), $(nproc) cores"
    echo "processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
    echo "memory: $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
    echo "load average at the start: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    echo "compiler: $(rustc --version)"
    echo "source: $(git describe --always --dirty 2>/dev/null || echo unknown)"
    echo "client: wrk -t $threads -c CONNECTIONS -d ${seconds}s -s benches/post.lua http://ADDRESS/messages"
    for name in floor service; do
        echo "$name: ${command[$name]} --listen 127.0.0.1:0, started anew for every round"
    done
} | tee "$directory/environment.txt"

# How many messages the service has taken in, by what it says of its rockets.
taken_in() {
    local response
    exec {socket}<>"/dev/tcp/${address%:*}/${address#*:}"
    printf 'GET /rockets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&"$socket"
    response=$(cat <&"$socket")
    exec {socket}>&-
    grep -oE '"(last_message_number|buffered_messages)":[0-9]+' <<<"$response" |
        awk -F: '{ sum += $2 } END { print sum + 0 }'
}

run=0

# round NAME CONNECTIONS ROUND: measures one server once.
round() {
    local name=$1 c=$2 number=$3 program
    local output="$directory/$name-c$c-r$number.txt"
    read -ra program <<<"${command[$name]}"
    start_server "$directory/server.log" "$binaries/${program[0]}" "${program[@]:1}"
    run=$((run + 1))
    RUN=$run wrk -t "$threads" -c "$c" -d "${seconds}s" -s benches/post.lua \
        "http://$address/messages" >"$output"
    local requests micros refused unanswered p50 p99
    read -r requests micros refused unanswered p50 p99 < <(sed -n 's/^RESULT //p' "$output")
    if ((refused + unanswered > 0)); then
        echo "$name, $c connections: $refused answers were not 2xx, $unanswered requests failed" >&2
        return 1
    fi
    if [[ $name == service ]]; then
        local taken
        taken=$(taken_in)
        if ((taken < requests)); then
            echo "$requests messages were answered, and only $taken taken in" >&2
            return 1
        fi
    fi
    stop_server
    local rate=$((requests * 1000000 / micros))
    echo "$name,$c,$number,$requests,$micros,$rate,$p50,$p99" >>"$directory/rounds.csv"
    printf '%-8s %4d connections, round %d: %7d/s  p50 %6d us  p99 %6d us\n' \
        "$name" "$c" "$number" "$rate" "$p50" "$p99"
}

# median NAME CONNECTIONS COLUMN
median() {
    awk -F, -v name="$1" -v c="$2" -v column="$3" '$1 == name && $2 == c { print $column }' \
        "$directory/rounds.csv" | sort -n |
        awk '{ v[NR] = $1 } END { print int((v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2) }'
}

echo "server,connections,round,requests,microseconds,per_second,p50_us,p99_us" >"$directory/rounds.csv"
for c in $connections; do
    for ((number = 1; number <= rounds; number++)); do
        round floor "$c" "$number"
        round service "$c" "$number"
    done
done
rm -f "$directory/server.log"

{
    echo "| connections | floor, /s | service, /s | ratio | floor p99, us | service p99, us |"
    echo "|---|---|---|---|---|---|"
    for c in $connections; do
        floor=$(median floor "$c" 6)
        service=$(median service "$c" 6)
        ratio=$(awk -v a="$service" -v b="$floor" 'BEGIN { printf "%.2f", a / b }')
        echo "| $c | $floor | $service | $ratio | $(median floor "$c" 8) | $(median service "$c" 8) |"
    done
} | tee "$directory/table.md"
