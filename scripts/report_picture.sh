#!/bin/sh
# Make docs/images/report.png from the report of `make demo`; needs Chromium.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1000,1425 \
    --screenshot="$top/docs/images/report.png" "file://$top/build/report.html"
