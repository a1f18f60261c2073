#!/usr/bin/env bash
# Runs the tests with every feature: those of the library, with the examples in its documentation (but for some that
# take long and that the features do not concern: they are run without them); those of adapters/tower, of both
# versions of tower-sessions, and of adapters/dbsc. Three minutes on two cores from scratch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# As in ci/mutants.sh.
slow=(suspended clock_abuse the_limit_holds_at_every_instant long_keys_and_values sums_add_up a_steady_population)
slow+=(merging_is a_draft_is)

PROPTEST_CASES=64 bash ci/with-tests cargo test -p cloakroom --all-features --lib --tests -- "${slow[@]/#/--skip=}"
bash ci/with-tests cargo test -p cloakroom --all-features --doc
bash ci/with-tests cargo test -p cloakroom-tower --all-features
bash ci/with-tests cargo test -p cloakroom-tower-sessions --all-features
bash ci/with-tests cargo test -p cloakroom-dbsc --all-features
