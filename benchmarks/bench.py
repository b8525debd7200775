"""Print what gitexp costs against the tools beside it: bar, measured, ok or short.

Each ratio is measured in one run of this script, both programs in turns on the same repository.
``--full`` measures the slow peers at full size instead of a smaller one (it takes half an hour).
``--only WORD`` runs the rows whose name contains it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import rows
from projects import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run the rows and print the table; 1 if a bar was not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="slow peers at full size")
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name has this word")
    parser.add_argument("--keep", action="store_true", help="keep the repositories, print where")
    args = parser.parse_args(argv)

    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "build"))
    bench = rows.Bench(folder, environment(folder / "home"), full=args.full)
    short = 0
    print(f"{'':8}{'what':58}  {'measured':>11}  {'bar':>11}")
    try:
        for name, measure in rows.ROWS.items():
            if args.only not in name:
                continue
            for row in measure(bench):
                short += not row.ok
                print(
                    f"{'ok' if row.ok else 'SHORT':8}{row.what:58}  "
                    f"{row.measured:>11}  {row.bar:>11}",
                    flush=True,
                )
                if row.note:
                    print(f"{'':8}  {row.note}", flush=True)
    finally:
        if args.keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{short} short" if short else "\nevery bar is met")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
