"""``python -m tests.machine``: random lives of orders against a simple model; exit status 1 where one ends badly.

Each share that ends well is written down under its seed, so a run that was cut goes on where it was: give it its seed.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from tests.machine.exchanges import ExchangeMachine
from tests.machine.living import Lived, lives_of
from tests.machine.machine import OrderMachine

RECORDS = Path("var/machine")


def done_before(record: Path) -> dict[int, int]:
    """Seed of a share -> its lives, of those that ended well; a line that was cut short counts for nothing."""
    if not record.exists():
        return {}
    told = [
        line.split() for line in record.read_text(encoding="utf-8").splitlines(keepends=True) if "\n" in line
    ]
    return {int(words[0]): int(words[1]) for words in told}


def tell(lived: Lived, record: Path) -> None:
    """One share is over."""
    if lived.finding:
        print(lived.finding, end="\n\n", flush=True)
        return
    with record.open("a", encoding="utf-8") as book:
        book.write(f"{lived.seed} {lived.lives}\n")
    print(f"machine: seed {lived.seed}, {lived.lives} lives, no finding", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.machine", description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000, help="how many lives (50000)")
    parser.add_argument(
        "--seed", type=int, help="of a run that was cut, or is to be seen again; by chance where left out"
    )
    parser.add_argument("--jobs", type=int, help="processes at once; one a processor where left out")
    parser.add_argument(
        "--exchanges", action="store_true", help="of orders whose goods are exchanged as well"
    )
    parser.add_argument("--again", action="store_true", help="forget which shares have ended well already")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    RECORDS.mkdir(parents=True, exist_ok=True)
    kind, machine = ("exchanges", ExchangeMachine) if asked.exchanges else ("orders", OrderMachine)
    record = RECORDS / f"{kind}-{seed}.txt"
    if asked.again:
        record.unlink(missing_ok=True)
    done = done_before(record)
    print(f"machine: --runs {asked.runs} --seed {seed}", flush=True)
    began, well, findings = time.monotonic(), 0, 0
    for lived in lives_of(asked.runs, seed, asked.jobs, done, machine):
        if done.get(lived.seed) != lived.lives:
            tell(lived, record)
        well += 0 if lived.finding else lived.lives
        findings += bool(lived.finding)
    print(
        f"machine: {well} of {asked.runs} lives in shares without a finding, {findings} findings, "
        f"{time.monotonic() - began:.0f} s"
    )
    sys.exit(bool(findings))
