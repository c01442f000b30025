# Sourced by the scripts beside it: starts servers on free ports and stops them.
# A server is a program that takes --listen and logs "listening address=…"; the
# service then logs "ready" once it can be used.

binaries="${CARGO_TARGET_DIR:-target}/release"
server=
address=

# start_server LOG PROGRAM [ARGUMENT…]: starts one and sets $address.
start_server() {
    local log=$1 line _
    shift
    # Emptied here and not by the program's start, which comes later: the address
    # of the server before must not be read.
    : >"$log"
    address=
    "$@" --listen 127.0.0.1:0 2>>"$log" &
    server=$!
    for _ in {1..200}; do
        # Only lines that are complete.
        while read -r line; do
            if [[ $line =~ listening\ address=([0-9.:]+) ]]; then
                address=${BASH_REMATCH[1]}
            fi
        done <"$log"
        if [[ -n $address ]] && { [[ $1 != */downlink ]] || grep -q ': ready ' "$log"; }; then
            return 0
        fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    echo "$1 did not start:" >&2
    cat "$log" >&2
    return 1
}

# stop_server: stops it as an operator would; fails if it did not end well.
stop_server() {
    local status=0
    [[ -n $server ]] || return 0
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || status=$?
    server=
    return "$status"
}
