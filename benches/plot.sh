#!/usr/bin/env bash
# Draws throughput and p99 against the number of connections, from the medians
# of a rounds.csv of compare.sh, as SVG on standard output.
#
#     benches/plot.sh rounds.csv >plot.svg
set -euo pipefail

sort -t , -k 1,1 -k 2,2n "${1:?usage: benches/plot.sh rounds.csv}" | awk -F , '
    function median(list, n,    i, j, v, parts) {
        n = split(list, parts, " ")
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && parts[j] + 0 < parts[j - 1] + 0; j--) {
                v = parts[j]; parts[j] = parts[j - 1]; parts[j - 1] = v
            }
        return (parts[int((n + 1) / 2)] + parts[int(n / 2) + 1]) / 2
    }
    function log10(x) { return log(x) / log(10) }
    function x_of(c) { return left + log(c) / log(most_c) * width }
    function y_of(v, panel) { return top[panel] + height - (log10(v) - low[panel]) / (high[panel] - low[panel]) * height }
    function panel(p, title, unit, values,    s, c, e, i, points) {
        printf "<text x=\"%d\" y=\"%d\" font-size=\"14\">%s</text>\n", left, top[p] - 12, title
        for (e = low[p]; e <= high[p]; e++) {
            printf "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>", left, left + width, y_of(10 ^ e, p), y_of(10 ^ e, p)
            printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s %s</text>\n", left - 8, y_of(10 ^ e, p) + 4, 10 ^ e, unit
        }
        for (i = 1; i <= connections; i++) {
            printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n", x_of(at[i]), top[p] + height + 18, at[i]
        }
        for (s = 1; s <= servers; s++) {
            points = ""
            for (i = 1; i <= connections; i++)
                if ((name[s], at[i]) in values) {
                    points = points sprintf("%.1f,%.1f ", x_of(at[i]), y_of(values[name[s], at[i]], p))
                    printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>", x_of(at[i]), y_of(values[name[s], at[i]], p), colour[s]
                }
            printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", points, colour[s]
        }
    }
    $1 == "server" { next }
    {
        rates[$1, $2] = rates[$1, $2] " " $6
        tails[$1, $2] = tails[$1, $2] " " $8
        if (!($1 in known)) { known[$1] = 1; name[++servers] = $1 }
        if (!($2 in seen)) { seen[$2] = 1; at[++connections] = $2 }
        if ($2 > most_c) most_c = $2
    }
    END {
        for (i = 2; i <= connections; i++)
            for (j = i; j > 1 && at[j] < at[j - 1]; j--) { v = at[j]; at[j] = at[j - 1]; at[j - 1] = v }
        split("#888888 #1f77b4 #d62728 #2ca02c #9467bd", colour, " ")
        low[1] = 3; high[1] = 6; low[2] = 1; high[2] = 6
        for (k in rates) {
            rate[k] = median(rates[k]); tail[k] = median(tails[k])
            if (rate[k] < 1000) low[1] = 2
        }
        left = 110; width = 600; height = 240; top[1] = 50; top[2] = 370
        print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"680\" font-family=\"sans-serif\" font-size=\"12\">"
        print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
        panel(1, "Messages a second, one a request", "", rate)
        panel(2, "p99 of the answer", "µs", tail)
        printf "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">connections</text>\n", left + width / 2, top[2] + height + 40
        for (s = 1; s <= servers; s++) {
            printf "<line x1=\"730\" x2=\"755\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\"/>", 55 + 20 * s, 55 + 20 * s, colour[s]
            printf "<text x=\"760\" y=\"%d\">%s</text>\n", 59 + 20 * s, name[s]
        }
        print "</svg>"
    }'
