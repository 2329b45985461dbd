"""What may come into anybody's head about one order: acts drawn at random, of which most are possible as it stands."""

from collections.abc import Callable
from random import Random
from typing import Final

from domain.returns import Disposition
from sandbox import catalog
from sandbox.scenarios import vocabulary as words
from sandbox.store.control import LineReading, OrderReading
from sandbox.store.requests import (
    AskExchangeLine,
    AskReturn,
    AskReturnLine,
    CancelOrder,
    EditLine,
    EditOrder,
    PlaceAddress,
    PlaceDiscount,
    PlaceLine,
    PlaceShipping,
)

WARES: Final = ("CAP-GRN", "BELT-BRN", "BAG-TOTE", "PIN-SET", "SCARF-WOOL")
"""What is added to orders, or sent in exchange."""
_PLACES: Final = tuple(int(each) for each in catalog.LOCATIONS)

Draw = Callable[[Random, OrderReading], words.Act | None]
"""None where there is nothing to do it to."""


def draw(dice: Random, order: OrderReading) -> words.Act:
    """The next act; those that come up often in life come up often here."""
    while True:
        (kind,) = dice.choices([kind for kind, _ in _CHANCES], [weight for _, weight in _CHANCES])
        if (act := kind(dice, order)) is not None:
            return act


def _likely(dice: Random, chance: float) -> bool:
    return dice.random() < chance


def _goods(order: OrderReading) -> list[LineReading]:
    return [line for line in order.lines if line.sku]


def _one(dice: Random, lines: list[LineReading]) -> LineReading | None:
    return dice.choice(lines) if lines else None


def _fewer(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.current > x.shipped - x.returned])
    if line is None:
        return None
    units = dice.randrange(line.shipped - line.returned, line.current)
    return _edits(EditOrder(lines=(EditLine(line=line.id, quantity=units),)))


def _more(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.current])
    if line is None:
        return None
    return _edits(EditOrder(lines=(EditLine(line=line.id, quantity=line.current + dice.randint(1, 2)),)))


def _added(dice: Random, order: OrderReading) -> words.Act | None:
    del order
    line = PlaceLine(sku=dice.choice(WARES), quantity=dice.randint(1, 3), location=dice.choice(_PLACES))
    return _edits(EditOrder(add=(line,)))


def _swapped(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.current and not x.shipped])
    if line is None:
        return None
    instead = PlaceLine(sku=dice.choice(WARES), quantity=line.current, location=dice.choice(_PLACES))
    return _edits(EditOrder(lines=(EditLine(line=line.id, quantity=0),), add=(instead,)))


def _cheaper(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.current])
    if line is None:
        return None
    percent = PlaceDiscount(title="Sorry", percent=dice.choice((5, 10, 33)))
    return _edits(EditOrder(lines=(EditLine(line=line.id, discount=percent),)))


def _elsewhere(dice: Random, order: OrderReading) -> words.Act | None:
    del order
    address = PlaceAddress(
        address1=f"{dice.randint(1, 99)} Broad Street", province="New York", province_code="NY"
    )
    return _edits(EditOrder(shipping_address=address))


def _noted(dice: Random, order: OrderReading) -> words.Act | None:
    del order
    return _edits(EditOrder(note=f"Ring {dice.randint(2, 9)} times"))


def _sent_otherwise(dice: Random, order: OrderReading) -> words.Act | None:
    del order
    return _edits(EditOrder(shipping=PlaceShipping(code=dice.choice(("standard", "express")))))


def _edits(change: EditOrder) -> words.Act:
    return words.Edited(act="customer edits", change=change)


def _asked_back(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.shipped > x.returned])
    if line is None:
        return None
    wanted = AskReturnLine(line=line.id, quantity=dice.randint(1, line.shipped - line.returned))
    agreed = _likely(dice, 0.7)
    instead: tuple[AskExchangeLine, ...] = ()
    if agreed and _likely(dice, 0.3):
        instead = (AskExchangeLine(sku=dice.choice(WARES), quantity=dice.randint(1, 2)),)
    wish = AskReturn(lines=(wanted,), agreed=agreed, instead=instead)
    return words.ReturnWanted(act="customer asks to return", wish=wish)


def _kept(dice: Random, order: OrderReading) -> words.Act | None:
    del dice
    return words.ReturnWithdrawn(act="customer keeps the goods") if order.returns else None


def _taken_back(dice: Random, order: OrderReading) -> words.Act | None:
    if not any(line.shipped for line in order.lines):
        return None
    line = _one(dice, [x for x in _goods(order) if x.shipped])
    units = {line.sku: 1} if line is not None and _likely(dice, 0.4) else {}
    warehouse = dice.choice(("WH-EAST", "WH-WEST")) if units and _likely(dice, 0.3) else None
    return words.TakenBack(act="warehouse receives a return", units=units, warehouse=warehouse)


def _operator_returns(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.shipped > x.returned])
    if line is None:
        return None
    return words.OperatorReturns(
        act="operator returns", units={line.sku: 1}, without_goods=_likely(dice, 0.3)
    )


def _inspected(dice: Random, order: OrderReading) -> words.Act | None:
    if not order.returns:
        return None
    skus = {line.id: line.sku for line in order.lines}
    becomes = dice.choice(tuple(Disposition))
    verdicts = {
        skus[line]: {becomes: units} for line, units in order.returns[-1].units.items() if line in skus
    }
    return words.OperatorInspects(act="operator inspects", verdicts=verdicts) if verdicts else None


def _units_canceled(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.current > x.shipped - x.returned])
    return None if line is None else _asks("cancel", units={line.sku: 1})


def _asks(to: str, **more: object) -> words.Act:
    return words.Operated.model_validate({"act": "operator asks", "to": to, **more})


def _given_up(dice: Random, order: OrderReading) -> words.Act | None:
    line = _one(dice, [x for x in _goods(order) if x.current > x.shipped - x.returned])
    if line is None:
        return None
    handled = _likely(dice, 0.5)
    return words.GivenUp(act="warehouse gives up", units={line.sku: 1}, handled=handled)


def _ships(dice: Random, order: OrderReading) -> words.Act | None:
    del order
    warehouse = dice.choice((None, None, "WH-EAST", "WH-WEST"))
    return words.Shipped(act="warehouse ships", part=_likely(dice, 0.6), warehouse=warehouse)


def _spoiled(dice: Random, order: OrderReading) -> words.Act | None:
    del order
    call = dice.choice(("reading", "submission", "fulfillment", "capture"))
    how = dice.choice(("answer lost", "answer lost", "unavailable", "too many"))
    return words.WentWrong(act="calls go wrong", call=call, how=how)


def _plain(act: words.Act) -> Draw:
    return lambda _dice, _order: act


_CHANCES: Final[tuple[tuple[Draw, float], ...]] = (
    (_ships, 6),
    (_asked_back, 4),
    (_taken_back, 4),
    (_fewer, 3),
    (_more, 2),
    (_added, 2),
    (_swapped, 1),
    (_cheaper, 1),
    (_elsewhere, 1),
    (_noted, 1),
    (_sent_otherwise, 0.5),
    (_kept, 0.7),
    (_inspected, 2),
    (_operator_returns, 1.5),
    (_units_canceled, 2),
    (_given_up, 1),
    (_spoiled, 2),
    (_plain(words.CanceledAtStore(act="customer cancels", cancel=CancelOrder())), 0.4),
    (_plain(words.ToldAgain(act="store tells again", as_new=True)), 0.7),
    (_plain(words.Paid(act="customer pays")), 1.5),
    (_plain(words.Picked(act="warehouse picks")), 2),
    (_plain(words.PutBack(act="warehouse puts back")), 1),
    (_plain(words.SentPicked(act="warehouse sends what is picked")), 1),
    (_plain(words.SentAfterAll(act="warehouse sends after all")), 0.5),
    (_plain(_asks("hold")), 0.7),
    (_plain(_asks("release")), 0.7),
    (_plain(_asks("resubmit")), 0.7),
    (_plain(_asks("cancel")), 0.4),
    (_plain(_asks("cancel_rest")), 0.4),
)
