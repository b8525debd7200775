#!/bin/sh
# Make the virtual environment:  make_venv.sh PYTHON VENV
# As root on Debian what is missing (git, python3-venv) is installed; elsewhere it is named.
set -eu
python=$1
venv=$2

install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -q >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
    else
        echo "please install: $*" >&2
        exit 1
    fi
}

new_enough() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'
}

command -v git >/dev/null 2>&1 || install git
if ! new_enough "$python"; then
    for candidate in python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            python=$candidate
            break
        fi
    done
fi
new_enough "$python" || {
    echo "python3 >= 3.11 is needed; make PYTHON=/path/to/python3 names one" >&2
    exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
"$python" -m venv "$venv"
