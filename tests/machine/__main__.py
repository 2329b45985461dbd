"""``python -m tests.machine``: random lives of orders against a simple model; exit status 1 where one ends badly."""

import argparse
import sys
import time

from tests.machine.living import live_all

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.machine", description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000, help="how many lives (50000)")
    parser.add_argument(
        "--seed", type=int, help="of a finding that is to be seen again; by chance where left out"
    )
    parser.add_argument("--jobs", type=int, help="processes at once; one a processor where left out")
    asked = parser.parse_args()
    began = time.monotonic()
    lived = live_all(asked.runs, asked.seed, asked.jobs)
    findings = [each.finding for each in lived if each.finding]
    for finding in findings:
        print(finding, end="\n\n")
    well = sum(each.lives for each in lived if not each.finding)
    print(
        f"machine: {well} of {asked.runs} lives in shares without a finding, {len(findings)} findings, "
        f"{time.monotonic() - began:.0f} s"
    )
    sys.exit(bool(findings))
