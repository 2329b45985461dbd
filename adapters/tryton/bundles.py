"""Whole units of storefront lines, and the pieces in Tryton's moves that make them up. Pure.

A unit of goods is one piece. A kit is so many pieces of each of its components, and is told as whole kits only.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from adapters.tryton.records import LineRecord, MoveRecord

Held = Callable[[MoveRecord], Mapping[int, Decimal]]
"""What of a move to the customer counts: move -> pieces."""


class Part(NamedTuple):
    """One product of a unit: ``per_unit`` pieces of it, which ``held`` has by move."""

    per_unit: Decimal
    held: dict[int, Decimal]

    @property
    def whole(self) -> int:
        """Units that the pieces are enough for."""
        return int(sum(self.held.values(), Decimal(0)) / self.per_unit)


class Bundle(NamedTuple):
    """What there is of a storefront line at one sale line."""

    line_id: str
    parts: tuple[Part, ...]

    @property
    def units(self) -> int:
        """Whole units."""
        return min((part.whole for part in self.parts), default=0)


class Taken(NamedTuple):
    """Pieces by move, what is left after them, and the units that were not there by line."""

    pieces: dict[int, Decimal]
    left: tuple[Bundle, ...]
    short: dict[str, int]


def bundles_of(lines: Iterable[LineRecord], held: Held) -> tuple[Bundle, ...]:
    """What the lines' moves hold; lines that hold nothing are left out."""
    bundles = []
    for line in lines:
        if line.components:
            counted = [(c.quantity, c.moves) for c in line.components if c.quantity and line.units]
            parts = tuple(Part(Decimal(str(q)) / line.units, _all(moves, held)) for q, moves in counted)
        else:
            parts = (Part(Decimal(1), _all(line.moves, held)),)
        if any(part.held for part in parts):
            bundles.append(Bundle(line.origin[0], parts))
    return tuple(bundles)


def count(bundles: Iterable[Bundle]) -> dict[str, int]:
    """Whole units by line."""
    units: dict[str, int] = defaultdict(int)
    for bundle in bundles:
        units[bundle.line_id] += bundle.units
    return dict(units)


def take(bundles: Sequence[Bundle], units: Mapping[str, int]) -> Taken:
    """Take so many units of each line, as far as they are there."""
    wanted = {line: number for line, number in units.items() if number}
    pieces: dict[int, Decimal] = {}
    left = []
    for bundle in bundles:
        number = min(wanted.get(bundle.line_id, 0), bundle.units)
        wanted[bundle.line_id] = wanted.get(bundle.line_id, 0) - number
        parts = []
        for part in bundle.parts:
            missing, rest = number * part.per_unit, dict(part.held)
            for move, there in part.held.items():
                some = min(there, missing)
                if some:
                    pieces[move] = pieces.get(move, Decimal(0)) + some
                    rest[move] -= some
                    missing -= some
            parts.append(part._replace(held=rest))
        left.append(bundle._replace(parts=tuple(parts)))
    return Taken(pieces, tuple(left), {line: number for line, number in wanted.items() if number})


def _all(moves: Iterable[MoveRecord], held: Held) -> dict[int, Decimal]:
    return {number: pieces for move in moves for number, pieces in held(move).items() if pieces}
