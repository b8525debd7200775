#!/bin/sh
# The README's example, from a clone of this repository to a verdict.
#
# Works on a clone of the committed state below build/demo, so nothing here is touched. Exit code 0
# whatever the verdict: refuted (1) and inconclusive (6) are answers, everything else is a failure.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
demo=$top/build/demo
report=$top/build/report.html
verdict=$top/build/verdict.txt
# Jobs run in the active virtual environment; ours, also where another one is active.
VIRTUAL_ENV=$top/.venv
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH

step() {
    printf '\n$'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=-]*) printf ' "%s"' "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$@"
}

rm -rf "$demo" "$report" "$verdict"
mkdir -p "$top/build"
git -c init.defaultBranch=main clone --quiet --no-tags "$top" "$demo"
cd "$demo"
# The clone's HEAD may be detached or on a branch of any name; the example speaks of main. It needs
# no remote, and an identity where the machine has none.
git checkout --quiet -B main
git remote remove origin
git config user.name "gitexp demo"
git config user.email "demo@example.invalid"
git config commit.gpgsign false

step gitexp init
step gitexp new engineered-features --baseline main --metric f1:max \
    --objective "find the customers who are about to leave" \
    --hypothesis "engineered features raise F1 by at least 5%" --effect ">=5%" \
    --param features.engineered=true
step gitexp run --jobs 2

code=0
step gitexp compare --format html -o "$report" || code=$?
case $code in 0 | 1 | 6) ;; *) exit "$code" ;; esac
code=0
step gitexp compare >"$verdict" || code=$?
cat "$verdict"
case $code in 0 | 1 | 6) ;; *) exit "$code" ;; esac

printf '\nverdict: %s\n' "$(sed -n '/^[A-Z]/{p;q;}' "$verdict")"
printf 'report:  %s\n' "$report"
