"""Whole units of storefront lines, and the pieces in Tryton's moves that make them up. Pure.

A unit of goods is one piece. A kit is so many pieces of each of its components: it leaves as whole kits only, and may
come back in parts.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from adapters.tryton.records import LineRecord, MoveRecord
from domain.erp_order import KitPart
from domain.kit_returns import Kits, in_pieces, in_units, piece_of

Held = Callable[[MoveRecord], Mapping[int, Decimal]]
"""What of a move to the customer counts: move -> pieces."""


class Part(NamedTuple):
    """One product of a unit: ``per_unit`` pieces of it, which ``held`` has by move."""

    per_unit: Decimal
    held: dict[int, Decimal]
    code: str = ""
    """Of a component its product; empty for goods."""

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
            counted = [c for c in line.components if c.quantity and line.units]
            parts = tuple(
                Part(Decimal(str(c.quantity)) / line.units, _all(c.moves, held), c.code) for c in counted
            )
        else:
            parts = (Part(Decimal(1), _all(line.moves, held)),)
        if any(part.held for part in parts):
            bundles.append(Bundle(line.origin[0], parts))
    return tuple(bundles)


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


def kits_of(lines: Iterable[LineRecord]) -> dict[str, tuple[KitPart, ...]]:
    """Line -> what one kit of it is made of, and what a piece weighs in its price, as Tryton reckons."""
    kits: dict[str, tuple[KitPart, ...]] = {}
    for line in lines:
        parts: dict[str, KitPart] = {}
        for component in line.components if line.units else ():
            number = int(Decimal(str(component.quantity or 0)) / line.units)
            if number:
                was = parts.get(component.code)
                share = Decimal(1) if component.price_ratio is None else component.price_ratio
                if was is not None:
                    share = (was.share * was.quantity + share * number) / (was.quantity + number)
                    number += was.quantity
                parts[component.code] = KitPart(product=component.code, quantity=number, share=share)
        if parts:
            kits[line.origin[0]] = tuple(parts.values())
    return kits


def count_parts(bundles: Iterable[Bundle], kits: Kits) -> dict[str, int]:
    """Whole units by line, and by their names the pieces of kits that are not complete."""
    pieces: Counter[str] = Counter()
    for bundle in bundles:
        for part in bundle.parts:
            pieces[_name(bundle, part)] += int(sum(part.held.values(), Decimal(0)))
    return in_units(pieces, kits)


def take_parts(bundles: Sequence[Bundle], units: Mapping[str, int], kits: Kits) -> Taken:
    """Take so many units, and pieces of kits, as far as they are there; whichever bundle a kit's pieces are in."""
    wanted = in_pieces(units, kits)
    pieces: dict[int, Decimal] = {}
    left = []
    for bundle in bundles:
        parts = []
        for part in bundle.parts:
            name, rest = _name(bundle, part), dict(part.held)
            for move, there in part.held.items():
                some = min(there, Decimal(wanted[name]))
                if some:
                    pieces[move] = pieces.get(move, Decimal(0)) + some
                    rest[move] -= some
                    wanted[name] -= int(some)
            parts.append(part._replace(held=rest))
        left.append(bundle._replace(parts=tuple(parts)))
    return Taken(pieces, tuple(left), in_units(+wanted, kits))


def _name(bundle: Bundle, part: Part) -> str:
    return piece_of(bundle.line_id, part.code) if part.code else bundle.line_id


def _all(moves: Iterable[MoveRecord], held: Held) -> dict[int, Decimal]:
    return {number: pieces for move in moves for number, pieces in held(move).items() if pieces}
