#!/bin/sh
# Install what some tests need and Python's packages do not bring: Git LFS.
# As root on Debian only; elsewhere, or without a network, these tests are skipped.
set -eu
command -v git-lfs >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -q -y --no-install-recommends git-lfs ||
        { apt-get update -q && apt-get install -q -y --no-install-recommends git-lfs; }; } >&2 ||
        true
fi
command -v git-lfs >/dev/null 2>&1 || echo "git-lfs is not installed: its tests are skipped" >&2
