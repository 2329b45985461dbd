"""Carries an edit over that adds to a sale of which a part is picked or has left: what it adds is a sale beside it.

Such a sale takes no other in its place, and Tryton's amendments know no new lines. So the order as it is to be is
divided: each sale that is there gets what it has of it, at most, and what is left over is entered as a supplement,
which ships and is invoiced as any other. All of it comes to the order's amounts to the cent, whatever each sale
rounds: the supplement takes up what the others are off.
"""

from typing import NamedTuple

from adapters.errors import Conflict
from adapters.tryton.cancellation import REPLACED, Cancellation, obstacle_to_cancel
from adapters.tryton.dividing import Divided, Part, added_parts, divide
from adapters.tryton.given_up import is_being_canceled
from adapters.tryton.lowering import Lowered, Lowering, lowered_lines
from adapters.tryton.reading import is_canceled
from adapters.tryton.records import SaleRecord
from adapters.tryton.rpc import SYSTEM
from adapters.tryton.sale_amendment import is_still_to_leave
from adapters.tryton.sales import Sales
from adapters.tryton.submission import OPEN, Beside, Submission
from adapters.tryton.translate import SUPPLEMENT_MARK
from domain.erp_order import SalesOrder


class Supplements:
    """Amends orders of which something is on its way."""

    def __init__(
        self, sales: Sales, submission: Submission, cancellation: Cancellation, lowering: Lowering
    ) -> None:
        self._sales = sales
        self._submission = submission
        self._cancellation = cancellation
        self._lowering = lowering

    async def amend(self, order: SaleRecord, target: SalesOrder) -> bool:
        """Whether the order became what the target says; else nothing was changed."""
        found = _standing(order)
        divided = None if found is None else divide((order, *found.live), target)
        if found is None or divided is None:
            return False
        lowered = await self._to_lower(divided)
        if lowered is None:
            return False
        if divided.added is not None:
            # What it names may be unknown, which is to be told before anything is changed.
            await self._submission.planned(divided.added, SUPPLEMENT_MARK)
        changed = {part.sale.id: lines for part, lines in lowered}
        for part in divided.parts:
            lines, sale = changed.get(part.sale.id), part.sale
            if lines:
                sale = await self._lowering.lower(sale, lines, "edited in the store")
            if lines != ():
                # Also where there is nothing to lower: an earlier try may have been cut off in between.
                await self._submission.align(sale)
        for each in (*found.gone, *(part.sale for part, lines in lowered if not lines)):
            await self._remove(each)
        await self._add(order, found, divided.added)
        return True

    async def add_parts(self, order: SaleRecord, target: SalesOrder) -> bool:
        """The same of ``target.only``, where all that is there of these lines stays as it is."""
        found = _standing(order)
        added = None if found is None else added_parts((order, *found.live), target)
        if found is None or added is None:
            return False
        await self._submission.planned(added, SUPPLEMENT_MARK)
        for each in found.gone:
            await self._remove(each)
        await self._add(order, found, added)
        return True

    async def _to_lower(self, divided: Divided) -> list[tuple[Part, tuple[Lowered, ...]]] | None:
        """The sales that are to have fewer units, with their lines, without where nothing of them is wanted any more.

        None where one of them cannot be lowered so. Other terms are nothing to a sale that has left, as long as another
        one takes them.
        """
        lowered: list[tuple[Part, tuple[Lowered, ...]]] = []
        all_left = divided.added is None and not any(is_still_to_leave(part.sale) for part in divided.parts)
        for part in divided.parts:
            if not part.order.lines and _mark(part.sale) and not obstacle_to_cancel(part.sale):
                lowered.append((part, ()))
                continue
            held = await self._submission.holds(part.order, part.sale, _mark(part.sale))
            if not held.terms and (all_left or is_still_to_leave(part.sale)):
                return None
            if part.stays or held.lines:
                continue
            lines = lowered_lines(
                part.sale, await self._submission.planned(part.order, _mark(part.sale)), part.order
            )
            if lines is None:
                return None
            if lines:
                lowered.append((part, lines))
        return lowered

    async def _remove(self, supplement: SaleRecord) -> None:
        """Cancel it, where an earlier try has not, and take its name off it."""
        outcome = await self._cancellation.cancel_sale(supplement, REPLACED)
        if not outcome.canceled:
            raise Conflict(SYSTEM, "amend order", f"it was taken up meanwhile: {outcome.reason}")
        await self._sales.set_aside(supplement)

    async def _add(self, order: SaleRecord, found: "_Standing", added: SalesOrder | None) -> None:
        """Enter what no sale has; what an earlier try had begun to enter is finished, replaced or thrown away."""
        if added is None:
            for each in found.begun:
                await self._submission.remove(each)
            return
        taken = map(_number, (*found.live, *found.gone))
        number = _number(found.begun[0]) if found.begun else 1 + max(taken, default=0)
        named = added.model_copy(update={"number": f"{added.number}-S{number}"})
        await self._submission.submit(named, beside=Beside(order.id, f"{SUPPLEMENT_MARK}{number}"))


class _Standing(NamedTuple):
    """The supplements of an order."""

    begun: tuple[SaleRecord, ...]
    """Of an entry that was cut off: it binds nobody yet."""
    live: tuple[SaleRecord, ...]
    gone: tuple[SaleRecord, ...]
    """Canceled by us, be it in part, because of an edit."""


def _standing(order: SaleRecord) -> _Standing | None:
    """None where people canceled one of them, or the order itself is, or is being, canceled: that takes no edit."""
    begun = tuple(each for each in order.supplements if each.state in OPEN)
    entered = [each for each in order.supplements if each.state not in OPEN]
    gone = tuple(each for each in entered if is_canceled(each) or is_being_canceled(each))
    by_people = any(REPLACED not in (each.comment or "") for each in gone)
    if by_people or is_canceled(order) or is_being_canceled(order):
        return None
    return _Standing(begun, tuple(each for each in entered if each not in gone), gone)


def _mark(sale: SaleRecord) -> str:
    return SUPPLEMENT_MARK if SUPPLEMENT_MARK in sale.web_id else ""


def _number(supplement: SaleRecord) -> int:
    number = supplement.web_id.partition(SUPPLEMENT_MARK)[2]
    return int(number) if number.isdecimal() else 0
