"""Carries an edit into Tryton: as long as nothing of the order is picked or invoiced, another sale takes its place.

A sale in process cannot be written: its amendments know quantities of lines that are there, neither new lines nor an
exact tax. So the sale is canceled, which gives its stock back, and set aside: it loses web shop and web id, and says
whose it was. Then the order is entered as it is now. Each step is seen in the records, so a try that stopped anywhere
is finished by the next.
"""

from collections import Counter
from collections.abc import Sequence

from adapters.errors import Rejected
from adapters.requests import AmendOutcome
from adapters.spans import looked_up
from adapters.tryton.cancellation import REPLACED, Cancellation, obstacle_to_cancel
from adapters.tryton.dividing import sale_of_lines
from adapters.tryton.given_up import given_up_of, is_being_canceled
from adapters.tryton.left_already import keeping_what_left
from adapters.tryton.lowering import Lowered, Lowering, lowered_lines, lowered_parts
from adapters.tryton.reading import is_canceled, is_in_force, read_order
from adapters.tryton.records import SaleRecord
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sale_amendment import SaleAmendments, is_still_to_leave, obstacle_to_redirect
from adapters.tryton.sales import SALE, Sales, reference_aside
from adapters.tryton.submission import OPEN, Beside, Held, Submission
from adapters.tryton.supplements import Supplements
from adapters.tryton.translate import PartyReference, exchange_mark
from domain.erp_order import ErpOrder, RefusedChange, SalesLineKind, SalesOrder
from domain.order import OrderKey


class Amendment:
    """Amends orders."""

    def __init__(
        self, rpc: TrytonRpc, sales: Sales, submission: Submission, cancellation: Cancellation
    ) -> None:
        self._rpc = rpc
        self._sales = sales
        self._submission = submission
        self._cancellation = cancellation
        self._amendments = SaleAmendments(rpc, sales)
        self._lowering = Lowering(rpc, sales, self._amendments)
        self._supplements = Supplements(sales, submission, cancellation, self._lowering)

    async def amend(self, target: SalesOrder) -> AmendOutcome:
        """See ``ErpPort.amend_order``. Raises Rejected with cause ``order_unknown``."""
        order = await self._sales.find(target.key)
        looked_up(SYSTEM, "order", found=order is not None)
        if order is None:
            part = target.exchange_id or target.only is not None
            if part or not await self._was_set_aside(target.key):
                reason = f"the ERP has no order {target.key}"
                raise Rejected(SYSTEM, "amend order", reason, "order_unknown")
            return AmendOutcome(order=await self._submission.submit(target))
        order = await self._redirected(order, target)
        if target.only is not None:
            return await self._amend_parts(order, target)
        if target.exchange_id:
            return await self._amend_exchange(order, target)
        outcome = await self._amend_whole(order, target)
        attainable = keeping_what_left(order, target) if outcome.refused else None
        if attainable is not None and (done := await self._with_supplement(order, attainable.target)):
            return done.model_copy(update={"refused": attainable.refused})
        return outcome

    async def _amend_whole(self, order: SaleRecord, target: SalesOrder) -> AmendOutcome:
        """All of what was sold, or nothing of it."""
        if order.supplements:
            return await self._with_supplement(order, target) or _refused(
                target, read_order(order), _why_not(order), terms=False
            )
        stays = await self._make_room(order, target)
        if stays is not None and stays.refused:
            return await self._with_supplement(order, target) or stays
        return stays or AmendOutcome(order=await self._submission.submit(target))

    async def _redirected(self, order: SaleRecord, target: SalesOrder) -> SaleRecord:
        """The order; what has not left of it goes to the new addresses, where no other sale can take its place."""
        sales = await self._going_elsewhere(order, target)
        free = [(sale, party) for sale, party in sales if not obstacle_to_redirect(sale)]
        for sale, party in free:
            await self._submission.align(
                await self._amendments.redirect(sale, party, "another address in the store")
            )
        return await self._sales.get(order.id) if free else order

    async def _going_elsewhere(
        self, order: SaleRecord, target: SalesOrder
    ) -> list[tuple[SaleRecord, PartyReference]]:
        """The sales that no other is to take the place of, and of which something is to go to other addresses."""
        exchange = order.exchange_of(target.exchange_id) if target.exchange_id else None
        own = (exchange,) if exchange else () if target.exchange_id else (order, *order.supplements)
        beside = bool(order.supplements) and not target.exchange_id
        stay = [
            x for x in own if is_in_force(x) and is_still_to_leave(x) and (beside or obstacle_to_cancel(x))
        ]
        if not stay:
            return []
        to = await self._submission.party_of(target)
        return [
            (x, to) for x in stay if x.party == to.id and not to.says(x.invoice_address, x.shipment_address)
        ]

    async def _with_supplement(self, order: SaleRecord, target: SalesOrder) -> AmendOutcome | None:
        """None where the order cannot become what the target says by another sale beside it."""
        if not await self._supplements.amend(order, target):
            return None
        await self._note(order, target.instructions)
        return AmendOutcome(order=read_order(await self._sales.get(order.id)))

    async def _amend_exchange(self, order: SaleRecord, target: SalesOrder) -> AmendOutcome:
        """As an order, but for its own sale alone; where nothing is to be sent any more, none takes its place."""
        sale = order.exchange_of(target.exchange_id)
        stays = None if sale is None else await self._make_room(sale, target)
        if stays is None and target.lines:
            mark = exchange_mark(target.exchange_id)
            await self._submission.submit(target, beside=Beside(order.id, mark))
        whole = read_order(await self._sales.get(order.id))
        return AmendOutcome(order=whole, refused=stays.refused if stays else ())

    async def _make_room(self, sale: SaleRecord, target: SalesOrder) -> AmendOutcome | None:
        """None where the target is to be entered, or needs no more than that; else what became of the sale."""
        if is_canceled(sale):
            if REPLACED not in (sale.comment or ""):
                reason = f"sale {sale.number} is canceled"
                return _refused(target, read_order(sale), reason, terms=not target.exchange_id)
        elif sale.state in OPEN and (target.lines or not target.exchange_id):
            return None
        else:
            held = await self._submission.holds(target, sale)
            # An edit that was cut off has canceled its shipments: it goes on, though the order be as it was again.
            stays = held.terms and not is_being_canceled(sale)
            lines = await self._to_lower(sale, target, held) if stays else None
            if lines == ():
                await self._note(sale, target.instructions)
                return None
            # Another sale would send what people gave up of this one, where the order still has it.
            if lines and _keeps_given_up(sale, target):
                return await self._lowered(sale, lines, target)
            outcome = await self._cancellation.cancel_sale(sale, REPLACED)
            if not outcome.canceled:
                if lines:
                    return await self._lowered(sale, lines, target)
                return _refused(target, outcome.order, outcome.reason, terms=not held.terms)
        await self._sales.set_aside(sale)
        return None

    async def _amend_parts(self, sale: SaleRecord, target: SalesOrder) -> AmendOutcome:
        """Goods of the order came back: units of some lines are taken off, or are added, and all else stays."""
        if is_canceled(sale):
            return _refused(target, read_order(sale), f"sale {sale.number} is canceled", terms=False)
        own = sale_of_lines(sale, target)
        lines = None
        if own is not None:
            lines = lowered_parts(own.sale, await self._submission.planned_parts(target), own.order)
        if lines is None and not await self._supplements.add_parts(sale, target):
            reason = f"goods of sale {sale.number} came back: units that have not left may come off, others be added"
            return _refused(target, read_order(sale), reason, terms=False)
        if own is not None and lines is not None:
            lowered = (
                await self._lowering.lower(own.sale, lines, "edited in the store") if lines else own.sale
            )
            # Also where there is nothing to lower: an earlier try may have been cut off in between.
            await self._submission.align(lowered)
        await self._note(sale, target.instructions)
        stays = tuple(
            RefusedChange(line_id=None, change="another address", reason=obstacle_to_redirect(each))
            for each, _ in await self._going_elsewhere(sale, target)
        )
        return AmendOutcome(order=read_order(await self._sales.get(sale.id)), refused=stays)

    async def _to_lower(self, sale: SaleRecord, target: SalesOrder, held: Held) -> tuple[Lowered, ...] | None:
        """Lines that are to have fewer units, where that is all that is asked for; None where it is not."""
        return () if held.lines else lowered_lines(sale, await self._submission.planned(target), target)

    async def _lowered(self, sale: SaleRecord, lines: Sequence[Lowered], target: SalesOrder) -> AmendOutcome:
        await self._lowering.lower(sale, lines, "edited in the store")
        return AmendOutcome(order=await self._submission.submit(target))

    async def _note(self, sale: SaleRecord, instructions: str) -> None:
        """Add what the buyer says now to the sale's comment, in any state; what people wrote there stays."""
        if instructions in (sale.comment or ""):
            return
        comment = "\n".join(filter(None, [sale.comment, instructions]))
        await self._rpc.call("note edit", f"model.{SALE}.write", [sale.id], {"comment": comment}, writes=True)

    async def _was_set_aside(self, key: OrderKey) -> bool:
        domain = [["reference", "=", reference_aside(key)]]
        return bool(
            await self._rpc.call("find sale set aside", f"model.{SALE}.search_count", domain, writes=False)
        )


def _why_not(order: SaleRecord) -> str:
    """Why an order with supplements does not become what an edit wants."""
    gone = [each.number for each in (order, *order.supplements) if is_canceled(each)]
    if gone:
        return f"sale {' and '.join(map(str, gone))} is canceled"
    hindering = "; ".join(filter(None, map(obstacle_to_cancel, (order, *order.supplements))))
    allowed = (
        "a part of it is on its way: units that are not picked come off and others may be added, nothing else"
    )
    return f"{allowed}: {hindering}" if hindering else allowed


def _keeps_given_up(sale: SaleRecord, target: SalesOrder) -> bool:
    """Whether the order still has units that people gave up."""
    wanted = _wanted(target)
    sold: Counter[str] = Counter()
    for line in sale.order_lines:
        sold[line.origin[0]] += int(line.units)
    return any(wanted.get(line, 0) > sold[line] - units for line, units in given_up_of(sale).items())


def _refused(target: SalesOrder, held: ErpOrder, reason: str, *, terms: bool) -> AmendOutcome:
    """Nothing was changed. Lines are told by their units; ``terms``: party, address or carrier differ as well."""
    had, wanted = _units(held, target), _wanted(target)
    had = {line: units for line, units in had.items() if target.only is None or line in target.only}
    changes = tuple(
        RefusedChange(
            line_id=line,
            change=f"{had.get(line, 0)} -> {wanted.get(line, 0)} units",
            reason=reason,
        )
        for line in dict.fromkeys((*had, *wanted))
        if had.get(line, 0) != wanted.get(line, 0)
    )
    if not changes or terms:
        what = "the party, an address or the carrier" if terms else "a price, discount or tax"
        changes = (*changes, RefusedChange(line_id=None, change=what, reason=reason))
    return AmendOutcome(order=held, refused=changes)


def _wanted(target: SalesOrder) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in target.lines:
        if line.kind is SalesLineKind.GOODS:
            units[line.line_id] = units.get(line.line_id, 0) + line.quantity
    return units


def _units(held: ErpOrder, target: SalesOrder) -> dict[str, int]:
    """Line -> units in the ERP. What is no goods there has no warehouse and another kind here."""
    others = {line.line_id for line in target.lines if line.kind is not SalesLineKind.GOODS}
    units: dict[str, int] = {}
    for line in held.lines:
        if line.line_id not in others:
            units[line.line_id] = units.get(line.line_id, 0) + line.quantity
    return units
