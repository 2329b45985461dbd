"""``docs/fault-matrix.md``: its tables are written from what a run has shown, and compared with it ever after."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"
WRITE = "ORDERWRIGHT_WRITE_MATRIX"
"""Set in the environment (``make matrix``), a run writes what it has shown."""

_CASE = "case: "

Cells = Mapping[tuple[str, str], str]
"""(call, fault) -> what happened, in two or three words."""


def begin(name: str) -> str:
    return f"<!-- generated: begin {name} (make matrix) -->"


def end(name: str) -> str:
    return f"<!-- generated: end {name} -->"


def table(calls: Iterable[object], faults: Iterable[object], cells: Cells) -> str:
    """Rows are calls, columns faults. Raises KeyError where a cell is missing."""
    calls, faults = [str(call) for call in calls], [str(fault) for fault in faults]
    lines = [["call", *faults], ["---"] * (len(faults) + 1)]
    lines += [[f"`{call}`", *(cells[call, fault] for fault in faults)] for call in calls]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def committed(name: str) -> str:
    """The table as it stands in the docs."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(begin(name))
    return rest.partition(end(name))[0].strip()


def read(name: str) -> dict[tuple[str, str], str]:
    """The committed table's cells."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        for line in committed(name).splitlines()
    ]
    faults = rows[0][1:]
    return {(row[0], fault): word for row in rows[2:] for fault, word in zip(faults, row[1:], strict=True)}


def agree(seen: str, kept: str) -> bool:
    """Whether a run saw what the table keeps.

    Two things may differ on a busy machine: an order that stops twice goes on before its first stop is looked at, and a
    call beside the spoiled one is late by itself and waits.
    """
    if kept.startswith(_CASE):
        causes = set(seen.removeprefix(_CASE).split(", "))
        return seen.startswith(_CASE) and causes <= set(kept.removeprefix(_CASE).split(", "))
    return seen in {kept, f"{kept}, waited", f"waited, {kept}"}


def wants_writing() -> bool:
    return bool(os.environ.get(WRITE))


def write(name: str, content: str) -> None:
    """Put a table into the docs."""
    text = PAGE.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin(name))
    _, closed, after = rest.partition(end(name))
    assert found, f"{PAGE} lacks the marker lines of {name}"
    assert closed, f"{PAGE} lacks the marker lines of {name}"
    PAGE.write_text(f"{before}{found}\n\n{content}\n\n{closed}{after}", encoding="utf-8")
