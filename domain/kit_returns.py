"""Kits that come back in parts: how their pieces are named, counted, and what they are worth. Pure.

A storefront knows whole kits only. So a kit counts there as returned with the first piece of it that comes back, and
what its other pieces are worth is kept back, in the credit note and of the refund, as a fee is. It is given back with
the pieces: once all of a kit came back exactly its price is.

A piece is named ``line/product``. Its worth is its share of the kit's price, as the ERP weighs its components.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from domain.erp_order import ErpReturn, ErpReturnState, KeptPieces, KitPart, TaxAmount
from domain.money import format_money, split

_NOTHING = Decimal(0)
_MARK = "/"

Kits = Mapping[str, tuple[KitPart, ...]]
"""Line -> what one kit of it is made of."""


def piece_of(line_id: str, product: str) -> str:
    """The name of a piece."""
    return f"{line_id}{_MARK}{product}"


def line_of(name: str) -> str:
    """The line of a piece; of a line itself, that line."""
    return name.partition(_MARK)[0]


def product_of(name: str) -> str:
    """The product of a piece; empty for a line."""
    return name.partition(_MARK)[2]


def called(names: Mapping[str, str], name: str) -> str:
    """What people call a line or a piece; ``names`` are those of lines."""
    line, product = names.get(line_of(name), line_of(name)), product_of(name)
    return f"{product} of {line}" if product else line


def in_pieces(units: Mapping[str, int], kits: Kits) -> Counter[str]:
    """The same units with kits as their pieces; other lines stay as they are."""
    pieces: Counter[str] = Counter()
    for name, number in units.items():
        parts = kits.get(name)
        for part in parts or ():
            pieces[piece_of(name, part.product)] += number * part.quantity
        if not parts:
            pieces[name] += number
    return +pieces


def in_units(pieces: Mapping[str, int], kits: Kits) -> dict[str, int]:
    """The same pieces with kits whole as far as they are, and what is over as pieces."""
    over = in_pieces(pieces, kits)
    units: dict[str, int] = {}
    for name, number in over.items():
        line = line_of(name)
        if line not in kits:
            units[name] = number
        elif line not in units:
            units[line] = min(over[piece_of(line, part.product)] // part.quantity for part in kits[line])
    over.subtract(in_pieces({line: number for line, number in units.items() if line in kits}, kits))
    units |= {name: number for name, number in over.items() if number and line_of(name) in kits}
    return {name: number for name, number in units.items() if number}


def kits_touched(pieces: Mapping[str, int], kits: Kits) -> dict[str, int]:
    """Line -> kits of which at least one of these pieces is."""
    touched: dict[str, int] = {}
    for line, parts in kits.items():
        most = max((-(-pieces.get(piece_of(line, x.product), 0) // x.quantity) for x in parts), default=0)
        if most:
            touched[line] = most
    return touched


def pieces_left(line_id: str, left: int, kits: Kits, gone: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Piece -> how many the buyer has, where so many kits of the line ``left``, and these came back or are to."""
    if line_id not in kits:
        return {}
    pieces = in_pieces({line_id: left}, kits)
    for units in gone:
        pieces.subtract(in_pieces(units, kits))
    return {name: max(number, 0) for name, number in pieces.items() if line_of(name) == line_id}


def back_with(held: ErpReturn, kits: Kits) -> dict[str, int]:
    """Units and pieces that a return is of: those that are expected, and once it is settled those that were taken."""
    if held.state is not ErpReturnState.SETTLED:
        return {part.line_id: part.quantity for part in held.expected or held.received}
    pieces = in_pieces({part.line_id: part.quantity for part in held.credited}, kits)
    for entry in held.kept:
        pieces[piece_of(entry.line_id, entry.product)] -= entry.quantity
    return dict(+pieces)


class InParts(NamedTuple):
    """What comes back of an order, kits in parts among it."""

    units: dict[str, int]
    """Line -> units that count as returned with it in the storefront: of kits those begun with it."""
    filled: Counter[str]
    """Pieces, of what was kept back of kits that came back before."""
    missing: Counter[str]
    """Pieces that are missing of the kits that are begun, and are kept back now."""


def take_in(credited: Mapping[str, int], kits: Kits, before: Iterable[KeptPieces]) -> InParts:
    """Units and pieces by name; they fill kits first that have begun to come back ``before``."""
    open_still = still_kept(before)
    pieces = in_pieces(credited, kits)
    filled: Counter[str] = Counter()
    for name, (number, _, _) in open_still.items():
        filled[name] = min(pieces[name], number)
    rest = pieces - filled
    units = {name: number for name, number in rest.items() if line_of(name) not in kits}
    touched = kits_touched(rest, kits)
    return InParts(units | touched, +filled, in_pieces(touched, kits) - rest)


def kept_after(came: InParts, before: Iterable[KeptPieces]) -> Counter[str]:
    """Pieces that are kept back once this has come back."""
    held = Counter({name: kept.number for name, kept in still_kept(before).items()})
    return held - came.filled + came.missing


class Worth(NamedTuple):
    """Money without tax, and its taxes by code."""

    net: Decimal
    taxes: dict[str, Decimal]


class Kept(NamedTuple):
    """Pieces that are kept back, and what they are worth."""

    number: int
    net: Decimal
    taxes: dict[str, Decimal]


def still_kept(entries: Iterable[KeptPieces]) -> dict[str, Kept]:
    """Piece -> how many of it are kept back, and for how much, once all of these are counted."""
    number: Counter[str] = Counter()
    nets: defaultdict[str, Decimal] = defaultdict(Decimal)
    taxes: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for entry in entries:
        name = piece_of(entry.line_id, entry.product)
        number[name] += entry.quantity
        nets[name] += entry.net
        for tax in entry.taxes:
            taxes[name][tax.code] += tax.amount
    return {name: Kept(n, nets[name], dict(taxes[name])) for name, n in number.items() if n > 0}


def kept_of(
    came: InParts, worth: Mapping[str, Worth], kits: Kits, before: Iterable[KeptPieces], currency: str
) -> tuple[KeptPieces, ...]:
    """What is kept back of kits that begin to come back (``worth`` by line), and below zero what is given back of that.

    Largest remainder: what is kept and what is given back of a kit are its worth to the cent.
    """
    entries = []
    for line, number in came.units.items():
        if line in kits and any(came.missing[piece_of(line, part.product)] for part in kits[line]):
            entries += _begun(line, kits[line], number, came.missing, worth[line], currency)
    for name, held in still_kept(before).items():
        if given := came.filled[name]:
            shares = (given, held.number - given)
            taxes = {code: split(amount, shares, currency)[0] for code, amount in held.taxes.items()}
            entries.append(_entry(name, -given, -split(held.net, shares, currency)[0], taxes, sign=-1))
    return tuple(entries)


def _begun(  # noqa: PLR0917  a kit and what is known of it
    line: str, parts: tuple[KitPart, ...], number: int, missing: Counter[str], worth: Worth, currency: str
) -> list[KeptPieces]:
    names = [piece_of(line, part.product) for part in parts]
    away = [missing[name] for name in names]
    back = [part.quantity * number - gone for part, gone in zip(parts, away, strict=True)]
    shares = [Fraction(part.share) for part in parts]
    if not any(shares):
        shares = [Fraction(1)] * len(parts)
    weights = [s * n for s, n in zip(shares, back, strict=True)]
    weights += [s * n for s, n in zip(shares, away, strict=True)]
    nets = split(worth.net, weights, currency)[len(parts) :]
    taxes = {code: split(amount, weights, currency)[len(parts) :] for code, amount in worth.taxes.items()}
    return [
        _entry(name, gone, nets[at], {code: amounts[at] for code, amounts in taxes.items()})
        for at, (name, gone) in enumerate(zip(names, away, strict=True))
        if gone
    ]


def _entry(
    name: str, number: int, net: Decimal, taxes: Mapping[str, Decimal], *, sign: int = 1
) -> KeptPieces:
    return KeptPieces(
        line_id=line_of(name),
        product=product_of(name),
        quantity=number,
        net=net,
        taxes=tuple(TaxAmount(code=code, amount=sign * amount) for code, amount in taxes.items() if amount),
    )


def kept_before(returns: Iterable[ErpReturn]) -> tuple[KeptPieces, ...]:
    """What returns have kept back and given back of kits so far."""
    return tuple(entry for each in returns for entry in each.kept)


def fee_words(returned: ErpReturn, currency: str) -> str:
    """What was held back of a credit note, in words that go on after its amount; empty for nothing."""
    kept = gross_of(returned.kept)
    fee = returned.fee - kept
    words = f" after a fee of {format_money(fee, currency)}" if fee else ""
    if kept > 0:
        words += f", {format_money(kept, currency)} held back for what a kit lacks"
    return words


def gross_of(entries: Iterable[KeptPieces]) -> Decimal:
    """What they come to with tax."""
    return sum((entry.gross for entry in entries), _NOTHING)
