"""Runs the doctor's benchmark and prints its figures.

    python -m benchmarks.doctor [--cases faults,controls] [--group unseen] [--only NAME ...] [--keep FOLDER] [--jobs 2]
        [--certify] [--cures] [--again] [--json FILE]

In `benchmarks/doctor/__main__.py`: --keep is where data and runs lie; what is there is not trained again, so that a
second call diagnoses only. --certify trains the further seeds of rows without a certificate and writes
`certificates.json`. --cures carries the cures out. --again makes the doctor's tests of a run anew. Cases whose
pictures are not here (FOVEAL_TEST_DATA) are left out, and said.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from measure import machine, versions

from . import certificates, strangers, tables
from .cases import Row, certified, diagnosed, each
from .rows import Control, Fault
from .runs import ROWS

KEEP = Path.home() / ".cache" / "foveal-benchmarks" / "doctor"


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.doctor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", default="faults,controls")
    groups = ("not-held-out", "held-out", *strangers.NAMES)
    parser.add_argument("--group", choices=groups, help="these rows alone")
    parser.add_argument("--only", nargs="+", default=[], help="names of cases, or how they begin")
    parser.add_argument("--keep", type=Path, default=KEEP)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--certify", action="store_true")
    parser.add_argument("--cures", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


def chosen(args: argparse.Namespace) -> list[str]:
    """The names of the cases that were asked for."""
    kinds = {"faults": Fault, "controls": Control}
    wanted = tuple(kinds[kind] for kind in args.cases.split(","))
    rows = {name: row for name, row in ROWS.items() if isinstance(row, wanted)}
    names = [name for name, row in rows.items() if args.group in (None, group(row))]
    return [n for n in names if not args.only or any(n == o or n.startswith(o) for o in args.only)]


def group(row: Fault | Control) -> str:
    """Who wrote the row, and whether it was looked at while rules were written."""
    return row.stranger or ("held-out" if row.held_out else "not-held-out")


def main(arguments: Sequence[str] | None = None) -> int:
    args = parsed(arguments)
    where = f"{machine()}, {versions('foveal', 'timm')}"
    names, known, began = chosen(args), certificates.read(), time.perf_counter()
    if not names:
        print(f"No case is called {' or '.join(args.only)}.", file=sys.stderr)
        return 2
    if args.certify:
        for row in each(
            certified, [n for n in names if n not in known], lambda name: (str(args.keep),), args.jobs
        ):
            name = row.pop("name")
            known[name] = row
            certificates.write({**certificates.read(), name: row}, where)  # others may certify beside this
            print(
                f"{name:30} {'certified' if row['certified'] else 'NOT certified'} {_harm(row)}", flush=True
            )
    with_one = [n for n in names if n in known and known[n]["certified"]]
    missing = [n for n in names if n not in known]
    out = [n for n in names if n in known and not known[n]["certified"]]
    rows = []
    for row in each(
        diagnosed, with_one, lambda n: (str(args.keep), known[n], args.cures, args.again), args.jobs
    ):
        rows.append(row)
        print(tables.fault_line(row) if "root" in row else tables.control_line(row), flush=True)
    faults, controls = [r for r in rows if "root" in r], [r for r in rows if "root" not in r]
    print(f"\n{where}; {time.perf_counter() - began:.0f} s")
    print(
        f"without a certificate (see --certify): {len(missing)}; certified harmless, or not healthy: {len(out)}"
    )
    totals = [
        *tables.fault_totals(faults),
        *tables.control_totals(controls),
        *tables.naive_totals(faults, controls),
    ]
    print("\n".join(totals))
    if args.json:
        args.json.write_text(
            json.dumps({"machine": where, "rows": rows, "totals": totals}, indent=1), encoding="utf-8"
        )
    return 0


def _harm(row: Row) -> str:
    if row["kind"] == "control":
        return f"{row['score']:.4f}, the best of {row['group']}: {row['best_score']:.4f} ({row['best']})"
    return f"{100 * row['points']:.1f} points [{100 * row['low']:.1f}, {100 * row['high']:.1f}], d {row['d']:.1f}"


if __name__ == "__main__":
    sys.exit(main())
