# Sourced by the scripts beside it: what the rounds in a rounds.csv of compare.sh
# come to.

# median: of the numbers on standard input, a line each.
median() {
    sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# median_of FILE SERVER CONNECTIONS COLUMN: of one server's rounds, whole.
median_of() {
    awk -F , -v name="$2" -v c="$3" -v column="$4" '$1 == name && $2 == c { print $column }' "$1" |
        median | awk '{ print int($1) }'
}

# ratio_of FILE SERVER OTHER CONNECTIONS: the median of the ratios of their rates,
# round by round. A machine that others share is faster in one round and slower in
# the next, for all servers alike.
ratio_of() {
    awk -F , -v name="$2" -v other="$3" -v c="$4" '
        $2 != c { next }
        $1 == name { mine[$3] = $6 }
        $1 == other { others[$3] = $6 }
        END { for (round in mine) print mine[round] / others[round] }' "$1" | median
}
