#!/bin/sh
# One line from the output of a test runner (cargo test or cargo nextest) and the list of tests that noted that they could
# not be run here: `653 passed, 0 failed, 8 not run`. A test that was not run has returned early, so its runner counted it
# as passed.
set -eu
awk '
    { gsub(/\033\[[0-9;]*m/, "") }
    FILENAME == ARGV[2] { if (/^NOT RUN: /) { split($0, words, " "); if (!(words[3] in noted)) { noted[words[3]]; missing++ } } next }
    # cargo test: test result: ok. 195 passed; 0 failed; 0 ignored; ...
    /^test result: / {
        for (i = 2; i <= NF; i++) {
            if ($i == "passed;") passed += $(i - 1)
            if ($i == "failed;") failed += $(i - 1)
            if ($i == "ignored;") missing += $(i - 1)
        }
    }
    # cargo nextest: Summary [ 60.1s] 653 tests run: 650 passed (2 slow), 3 failed, 1 timed out, 4 skipped
    $1 == "Summary" {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed/) passed += $(i - 1)
            if ($i ~ /^failed/ || $i ~ /^timed/ || $i ~ /^exec/) failed += $(i - 1)
            if ($i ~ /^skipped/) missing += $(i - 1)
        }
    }
    END {
        for (name in noted) passed--
        printf "%d passed, %d failed, %d not run\n", passed, failed, missing
    }
' "$1" "$2"
