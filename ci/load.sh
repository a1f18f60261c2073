#!/usr/bin/env bash
# Compares an axum server with the layer of cloakroom-tower to one with tower-sessions, over its MemoryStore and over a cloakroom store: requests a second, and the
# time within which 99 of 100 are answered, as ratios to MemoryStore. To be run by hand on a machine that has nothing else to do:
#   ci/load.sh [ROUNDS [SECONDS]]     7 rounds of 10 seconds for each server and kind of request, unless said otherwise: 7 minutes
# In each round every server has its turn, first one and then another, and is compared within that round. The client, wrk, runs on the same machine and takes part of it,
# the same for each; so the servers themselves are further apart than the ratios say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-7} seconds=${2:-10}
kinds=(memory tower-sessions cloakroom)
browsers=1000
connections=32
target=${CARGO_TARGET_DIR:-target}

fail() {
    echo "error: $*" >&2
    exit 1
}

command -v wrk >/dev/null || apt-get install -y wrk || fail "wrk is missing (Debian: the package wrk)"
command -v curl >/dev/null || fail "curl is missing"
cargo build --release -p cloakroom-tower --example load

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The servers end with their standard input, which nobody but this script holds open.
mkfifo "$work/alive"
exec {alive}<>"$work/alive"
declare -A port
for kind in "${kinds[@]}"; do
    "$target/release/examples/load" "$kind" <"$work/alive" >"$work/port" {alive}>&- &
    for ((tries = 0; tries < 100; tries++)); do
        [ -s "$work/port" ] && break
        sleep 0.1
    done
    port[$kind]=$(cat "$work/port")
    [ -n "${port[$kind]}" ] || fail "the server with $kind does not start"
    rm "$work/port"
    # Browsers log in one after the other; their cookies become lines of a file.
    curl -sS -X POST -o /dev/null -D - "http://127.0.0.1:${port[$kind]}/login?[1-$browsers]" |
        sed -n 's/^[Ss]et-[Cc]ookie: *\([^;]*\).*/\1/p' | tr -d '\r' >"$work/$kind"
    [ "$(sort -u "$work/$kind" | wc -l)" -eq "$browsers" ] || fail "with $kind there are not $browsers sessions"
done

# measure KIND METHOD PATH SECONDS prints requests a second and microseconds.
measure() {
    local result
    result=$(COOKIES=$work/$1 METHOD=$2 wrk --threads 1 --connections "$connections" --duration "$4s" --latency \
        --script ci/load.lua "http://127.0.0.1:${port[$1]}$3" | sed -n 's/^RESULT //p')
    [ "${result##* }" = 0 ] || fail "with $1, $2 $3: not every request was answered as it should be (${result:-no result})"
    echo "${result% *}"
}

# Lines of: request, round, kind, requests a second, microseconds.
for request in "GET /profile" "POST /visit"; do
    read -r method path <<<"$request"
    for kind in "${kinds[@]}"; do
        measure "$kind" "$method" "$path" 1 >/dev/null
    done
    for ((round = 0; round < rounds; round++)); do
        for ((turn = 0; turn < ${#kinds[@]}; turn++)); do
            kind=${kinds[$(((round + turn) % ${#kinds[@]}))]}
            line="$method$path $round $kind $(measure "$kind" "$method" "$path" "$seconds")"
            echo "$line" >&2
            echo "$line" >>"$work/figures"
        done
    done
done

# Medians; of ratios, the median of those within one round, and the least and the greatest.
awk -v rounds="$rounds" -v kinds="${kinds[*]}" '
    function median(values, n,    i, j, x) {
        for (i = 2; i <= n; i++) {
            x = values[i]
            for (j = i - 1; j > 0 && values[j] > x; j--) values[j + 1] = values[j]
            values[j + 1] = x
        }
        return (values[int((n + 1) / 2)] + values[int(n / 2) + 1]) / 2
    }
    function ratios(what, request, kind,    r, list, m) {
        for (r = 0; r < rounds; r++) list[r + 1] = what[request, kind, r] / what[request, "memory", r]
        m = median(list, rounds)
        return sprintf("%.2f (%.2f to %.2f)", m, list[1], list[rounds])
    }
    function middle(what, request, kind,    r, list) {
        for (r = 0; r < rounds; r++) list[r + 1] = what[request, kind, r]
        return median(list, rounds)
    }
    { if (!($1 in seen)) { seen[$1]; order[++requests] = $1 } rate[$1, $3, $2] = $4; tail[$1, $3, $2] = $5 }
    END {
        print "| request | sessions | requests a second | to MemoryStore | p99, µs | to MemoryStore |"
        print "|---|---|---|---|---|---|"
        count = split(kinds, kind, " ")
        for (i = 1; i <= requests; i++) for (k = 1; k <= count; k++) {
            request = order[i]; name = request; sub("/", " /", name)
            printf "| %s | %s | %.0f | %s | %.0f | %s |\n", name, kind[k], middle(rate, request, kind[k]), ratios(rate, request, kind[k]),
                middle(tail, request, kind[k]), ratios(tail, request, kind[k])
        }
    }' "$work/figures"
