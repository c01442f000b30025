#!/usr/bin/env bash
# Measures servers side by side, one message a request over kept-alive
# connections, in alternating rounds of one run, so that all see the same machine:
#
#     floor      a bare warp handler on the same accept loop and as many threads as
#                the service has by default (benches/floor.rs)
#     floor-all  the same with a thread for every core
#     memory     the service with --durability memory
#     fsync      the service with --durability fsync
#     redis      XADD of 48 bytes with appendfsync always, by redis-benchmark
#
#     benches/compare.sh DIRECTORY
#
# DIRECTORY gets the raw data: the client's output of every round in a file for
# each server, rounds.csv, the table, and what it ran on. From the environment:
# SERVERS ("floor memory"), ROUNDS (5), SECONDS_EACH (5), CONNECTIONS ("3 64 256"),
# and CLIENT: wrk, or post (benches/post.rs), which takes less of the machine from
# the servers. Fails when a request is answered with anything but 2xx, or when the
# service did not take every message in.
set -euo pipefail

directory=${1:?usage: benches/compare.sh DIRECTORY}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-5}
connections=${CONNECTIONS:-3 64 256}
client=${CLIENT:-wrk}
servers=${SERVERS:-floor memory}

need() {
    command -v "$1" >/dev/null && return
    echo "$1 is missing; install it with: apt-get install $2" >&2
    exit 1
}
[[ $client != wrk ]] || need wrk wrk
[[ $servers != *redis* ]] || need redis-benchmark redis-server
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
cd "$(dirname "$0")/.."
source benches/servers.sh
source benches/rounds.sh
data=$(mktemp -d "$directory/data.XXXXXX")
trap 'stop_server || true; rm -rf "$data"' EXIT

declare -A command=(
    [floor]="examples/floor"
    [floor-all]="examples/floor --threads $(nproc)"
    [memory]="downlink --durability memory"
    [fsync]="downlink --durability fsync"
)
case $client in
wrk) client_line="wrk -t 1 -c CONNECTIONS -d ${seconds}s -s benches/post.lua http://ADDRESS/messages" ;;
post) client_line="examples/post ADDRESS --connections CONNECTIONS --seconds $seconds" ;;
*)
    echo "CLIENT is wrk or post, not $client" >&2
    exit 2
    ;;
esac

{
    echo "date: $(date -u +%FT%TZ)"
    echo "system: $(uname -srm), $(nproc) cores"
    echo "processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
    echo "memory: $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
    echo "load average at the start: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    echo "compiler: $(rustc --version)"
    echo "source: $(git describe --always --dirty 2>/dev/null || echo unknown)"
    echo "client: $client_line"
    for name in $servers; do
        case $name in
        redis) echo "redis: $(redis-server --version | cut -d ' ' -f 3), redis-benchmark -c CONNECTIONS XADD stream '*' data 48-BYTES" ;;
        *) echo "$name: ${command[$name]}, started anew for every round with a data directory of its own" ;;
        esac
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

# record NAME CONNECTIONS ROUND REQUESTS MICROSECONDS P50 P99
record() {
    local rate=$(($4 * 1000000 / $5))
    echo "$1,$2,$3,$4,$5,$rate,$6,$7" >>"$directory/rounds.csv"
    printf '%-8s %4d connections, round %d: %7d/s  p50 %6d us  p99 %6d us\n' \
        "$1" "$2" "$3" "$rate" "$6" "$7"
}

# keep_output NAME CONNECTIONS ROUND FILE
keep_output() {
    { echo "== $2 connections, round $3"; cat "$4"; } >>"$directory/$1.txt"
}

# round NAME CONNECTIONS ROUND: measures one server once.
round() {
    local name=$1 c=$2 number=$3
    local output="$data/output.txt"
    if [[ $name == redis ]]; then
        redis_round "$c" "$number" "$output"
        return
    fi
    local program
    read -ra program <<<"${command[$name]}"
    [[ $name == floor* ]] || program+=(--data-dir "$data/$name")
    start_server "$data/server.log" "$binaries/${program[0]}" "${program[@]:1}"
    run=$((run + 1))
    case $client in
    wrk) RUN=$run wrk -t 1 -c "$c" -d "${seconds}s" -s benches/post.lua "http://$address/messages" ;;
    post) "$binaries/examples/post" "$address" --connections "$c" --seconds "$seconds" --run "$run" ;;
    esac >"$output"
    keep_output "$name" "$c" "$number" "$output"
    local requests micros refused unanswered p50 p99
    read -r requests micros refused unanswered p50 p99 < <(sed -n 's/^RESULT //p' "$output")
    if ((refused + unanswered > 0)); then
        echo "$name, $c connections: $refused answers were not 2xx, $unanswered requests failed" >&2
        return 1
    fi
    if [[ $name != floor* ]]; then
        local taken
        taken=$(taken_in)
        if ((taken < requests)); then
            echo "$requests messages were answered, and only $taken taken in" >&2
            return 1
        fi
    fi
    stop_server
    rm -rf "${data:?}/$name"
    record "$name" "$c" "$number" "$requests" "$micros" "$p50" "$p99"
}

# redis_round CONNECTIONS ROUND OUTPUT: so many requests as take some $seconds.
redis_round() {
    local c=$1 number=$2 output=$3 port=7379
    local requests=$((seconds * (c < 10 ? 5000 : c < 100 ? 30000 : 40000)))
    mkdir "$data/redis"
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly yes \
        --appendfsync always --dir "$data/redis" >"$data/redis.log" 2>&1 &
    server=$!
    until redis-cli -p "$port" ping >/dev/null 2>&1; do
        kill -0 "$server"
        sleep 0.05
    done
    redis-benchmark -p "$port" -c "$c" -n "$requests" --csv XADD stream '*' data \
        012345678901234567890123456789012345678901234567 >"$output"
    keep_output redis "$c" "$number" "$output"
    stop_server
    rm -rf "$data/redis"
    # The rate and, in milliseconds, p50 and p99.
    local rate p50 p99
    read -r rate p50 p99 < <(tail -n 1 "$output" | awk -F '","' '{ print $2, $5 * 1000, $7 * 1000 }')
    local micros
    micros=$(awk -v n="$requests" -v rate="$rate" 'BEGIN { printf "%d", n / rate * 1000000 }')
    record redis "$c" "$number" "$requests" "$micros" "${p50%.*}" "${p99%.*}"
}

for name in $servers; do : >"$directory/$name.txt"; done
echo "server,connections,round,requests,microseconds,per_second,p50_us,p99_us" >"$directory/rounds.csv"
for c in $connections; do
    for ((number = 1; number <= rounds; number++)); do
        for name in $servers; do
            round "$name" "$c" "$number"
        done
    done
done

{
    echo "| connections | server | per second | p50, us | p99, us | ratio to: $servers |"
    echo "|---|---|---|---|---|---|"
    for c in $connections; do
        for name in $servers; do
            ratios=
            for other in $servers; do
                ratios+=$(printf '%.2f ' "$(ratio_of "$directory/rounds.csv" "$name" "$other" "$c")")
            done
            columns=
            for column in 6 7 8; do
                columns+="$(median_of "$directory/rounds.csv" "$name" "$c" "$column") | "
            done
            echo "| $c | $name | $columns$ratios|"
        done
    done
} | tee "$directory/table.md"
