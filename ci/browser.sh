#!/usr/bin/env bash
# Drives the page of the example server in Chromium: people log in from two browsers, see and end each other's sessions, and watch the store. Skips, loudly, where
# there is no Chromium or no driver for it (Debian: the packages chromium and chromium-driver). Half a minute on two cores, once it is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# first_of NAME... prints the path of the first that is installed.
first_of() {
    local name
    for name in "$@"; do
        command -v "$name" && return
    done
    return 1
}

skip() {
    printf '\n*** SKIPPED: the page was not looked at in a browser, for there is no %s here ***\n\n' "$1" >&2
    exit 0
}

CHROMIUM=${CHROMIUM:-$(first_of chromium chromium-browser google-chrome google-chrome-stable)} || skip Chromium
CHROMEDRIVER=${CHROMEDRIVER:-$(first_of chromedriver)} || skip chromedriver
export CHROMIUM CHROMEDRIVER
"$CHROMIUM" --version
# One after the other, or the browsers would wait for each other longer than the tests wait for them.
bash ci/with-tests cargo test -p cloakroom-tower --test server browser:: -- --ignored --test-threads=1
