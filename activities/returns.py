"""The activities of one return: the only place where its workflow touches the world.

Each may run again at any time, so each is find-or-make by the return's id, and notes on its order what it did.
"""

import asyncio
from collections import Counter
from decimal import Decimal

from temporalio import activity

from activities.finding import find_in_erp
from activities.return_contracts import (
    AuthorizeReturn,
    ClearReturn,
    CreditReturn,
    EndReturn,
    RefundReturn,
    ReportReturn,
    ReturnAct,
    ReturnCredited,
    ReturnRefunded,
)
from activities.return_money import NO_MONEY, Worth, quoted, worked_out
from activities.return_turns import TurnActs, require_refunded
from adapters.errors import Rejected
from adapters.requests import RefundLine, RefundQuote, RefundRequest
from domain.cases import RETURN_GREW, CaseReport
from domain.erp_order import ErpOrder, ErpReturn, ErpReturnState, ErpShipmentState, ShipmentLine
from domain.exchanges import exchange_worth, with_later_lines
from domain.kit_returns import (
    InParts,
    fee_words,
    in_pieces,
    in_units,
    kept_after,
    kept_before,
    line_of,
    take_in,
)
from domain.mapping import Mapping
from domain.money import format_money
from domain.order import Order, ReturnStatus
from domain.refunds import (
    Credit,
    KitsBack,
    credit_for,
    fees_presentment,
    units_left,
)
from domain.returns import ReturnAuthorization, ReturnCredit, units_received
from domain.status import count_units
from store.order_view import OrderPatch

_NOTHING = Decimal(0)


class ReturnActivities(TurnActs):
    """Ports injected; one instance serves all returns of a worker.

    A return hears of itself alone: its order still has to hear of the parcels and other goods that its act read too.
    """

    @activity.defn
    async def authorize_return(self, request: AuthorizeReturn) -> ErpReturn:
        """Agree to the return in the storefront, and let a warehouse expect the goods."""
        key = request.key
        async with self._noted(key, request.revision, request.step):
            mapping = await self._mapping_for(key, request.mapping_version)
            erp_order = await find_in_erp(self._erp, request.key)
            if request.in_storefront:
                storefront = self._storefront(key)
                order = await storefront.read_order(key.external_id)
                if _asked_for(order, request.return_id):
                    approved = await storefront.approve_return(key.external_id, request.return_id)
                    await self._expect(key, approved.echoes)
            warehouse = mapping.returns.warehouse or _sender(erp_order, request.lines)
            held = await self._erp.authorize_return(
                ReturnAuthorization(
                    key=key,
                    return_id=request.return_id,
                    number=request.number,
                    warehouse=warehouse,
                    lines=tuple(
                        ShipmentLine(line_id=line, quantity=units) for line, units in request.lines.items()
                    ),
                    note=request.reason,
                )
            )
            returned = _return_of(held, request)
        units = count_units(sum(request.lines.values()))
        text = f"Return {request.number} agreed to: {units} expected at {warehouse} as {returned.number}"
        await self._note_return(request, text, held)
        return returned

    @activity.defn
    async def credit_return(self, request: CreditReturn) -> ReturnCredited:
        """Settle the return in the ERP, and work out the money to give back: both at the storefront's prices.

        ``again``, the money alone; nothing where the units are refunded already: then their refund is to be found.
        """
        key = request.key
        async with self._in_turn(request), self._noted(key, request.revision, request.step):
            await self._take_turn(request)
            mapping = await self._mapping_for(key, request.mapping_version)
            storefront = self._storefront(key)
            order = await storefront.read_order(key.external_id)
            erp_order = await find_in_erp(self._erp, request.key)
            order = with_later_lines(order, erp_order)
            require_refunded(order, erp_order, request.return_id)
            _require_all_judged(erp_order, request)
            others = tuple(each for each in erp_order.returns if each.return_id != request.return_id)
            kept = kept_before(others)
            came = take_in(request.credited, erp_order.kits, kept)
            restocked, scrapped = _in_storefront(request, came, erp_order)
            # What a kit lacks is the buyer's still.
            shipping = _NOTHING if kept_after(came, kept) else _shipping_back(order, mapping, came.units)
            settled = _settled_before(erp_order, request)
            quote: RefundQuote | None = RefundQuote(parts=(), total=_NOTHING, presentment_total=_NOTHING)
            if any(came.units.values()) or shipping:
                wanted = _refund(request, restocked, scrapped, None, shipping)
                quote = await quoted(storefront, order, erp_order, wanted, settled)
            before = sum((each.fee for each in others), _NOTHING)
            held, money = erp_order, NO_MONEY
            if settled is None:
                assert quote is not None
                instead = exchange_worth(order, request.return_id)
                back = KitsBack(came, erp_order.kits, kept)
                credit = credit_for(order, quote.parts, mapping, instead, back)
                worth = Worth(quote.presentment_total, credit.fee, request.return_id)
                money = await worked_out(storefront, order, erp_order, worth, mapping.payments)
                held = await self._erp.credit_return(_credit(request, credit))
            elif quote is not None:
                worth = Worth(quote.presentment_total, settled.fee, request.return_id)
                money = await worked_out(storefront, order, erp_order, worth, mapping.payments)
            returned = _return_of(held, request)
        location = None
        if any(request.restocked.values()):
            location = mapping.location_of(mapping.returns.warehouse or _sender(held, request.restocked))
        credited = format_money(returned.total, held.currency)
        fee = fee_words(returned, held.currency)
        text = f"Return {request.number} settled in the ERP as {returned.number}: {credited} credited{fee}"
        await self._note_return(request, text, held)
        if not any(request.credited.values()):
            await self._give_turn_back(request)  # nothing is refunded
        return ReturnCredited(
            returned=returned,
            currency=held.currency,
            shipping=shipping if quote is not None else _NOTHING,
            location=location,
            money=money,
            is_back=quote is None,
            # Of all fees together, as the money was: each rounded by itself would come to something else.
            fee=fees_presentment(order, before + returned.fee) - fees_presentment(order, before),
            units_restocked=restocked,
            units_scrapped=scrapped,
        )

    @activity.defn
    async def refund_return(self, request: RefundReturn) -> ReturnRefunded:
        """Give units and money back in the storefront, once; what is not given back of its return ends."""
        key = request.key
        async with self._noted(key, request.revision, request.step):
            storefront = self._storefront(key)
            # A storefront that is told of stock hears of these units from the ERP; twice would be once too often.
            told = (await asyncio.to_thread(self._mappings.current, request.key.channel)).stock.push
            location = None if told else request.location
            wanted = _refund(request, request.restocked, request.scrapped, location, request.shipping)
            wanted = wanted.model_copy(update={"money": request.money, "only_find": request.is_back})
            made = await storefront.refund_order(wanted)
            await self._expect(key, made.echoes)
            if request.in_storefront and request.rest_is_over:
                closed = await storefront.end_return(key.external_id, request.return_id, "not taken back")
                await self._expect(key, closed.echoes)
            order = await storefront.read_order(key.external_id)
        money = format_money(made.amount, order.presentment_currency)
        text = f"Return {request.number}: {money} given back to the buyer"
        patch = patch_of(request).model_copy(update={"captured": order.captured})
        await self._note(key, request.revision, request.step, text, patch)
        await self._give_turn_back(request)
        return ReturnRefunded(
            refund_id=made.refund_id, amount=made.amount, currency=order.presentment_currency
        )

    @activity.defn
    async def end_return(self, request: EndReturn) -> None:
        """Give the return up: the warehouse expects its goods no more, the storefront's return ends."""
        key = request.key
        async with self._noted(key, request.revision, request.step):
            if request.in_erp:
                await self._erp.cancel_return(key, request.return_id, request.reason)
            if request.in_storefront:
                storefront = self._storefront(key)
                done = await storefront.end_return(key.external_id, request.return_id, request.reason)
                await self._expect(key, done.echoes)
        how = "ended, its money given back by hand" if request.by_hand else "ended without goods"
        text = f"Return {request.number} {how}: {request.reason}"
        await self._note(key, request.revision, request.step, text, patch_of(request))
        await self._give_turn_back(request)  # its credit may have been cut short

    @activity.defn
    async def report_return(self, request: ReportReturn) -> None:
        """Put into its case what a person has to decide. Asks no outside system."""
        text = f"Return {request.number} waits: {request.reason}"
        patch = OrderPatch(problem=request.reason, waiting_for="a person: decide about the return")
        report = CaseReport(cause=request.cause, reason=request.reason, key=request.key)
        await self._note(request.key, request.revision, request.step, text, patch, report=report)

    @activity.defn
    async def clear_return(self, request: ClearReturn) -> None:
        """The problem is over, and the return waits again: its order leaves that case. Asks no outside system."""
        text = f"Return {request.number}: the problem is over"
        await self._note(request.key, request.revision, request.step, text, patch_of(request))

    async def _note_return(self, act: ReturnAct, text: str, held: ErpOrder) -> None:
        patch = patch_of(act)
        await self._note(act.key, act.revision, act.step, text, patch, erp=held, return_id=act.return_id)


def _in_storefront(
    request: CreditReturn, came: InParts, erp: ErpOrder
) -> tuple[dict[str, int], dict[str, int]]:
    """What of the storefront's units is on the shelf again, and what is not: a kit is once all of it is there."""
    whole = in_units(in_pieces(request.restocked, erp.kits), erp.kits)
    restocked = {line: min(units, whole.get(line, 0)) for line, units in came.units.items()}
    scrapped = {line: units - restocked[line] for line, units in came.units.items()}
    return restocked, scrapped


def patch_of(act: ReturnAct) -> OrderPatch:
    """What a done act changes of the order's row: it tells of the return's problem no more."""
    return OrderPatch(problem="", waiting_for="") if act.was_stopped else OrderPatch()


def _return_of(order: ErpOrder, act: ReturnAct) -> ErpReturn:
    for each in order.returns:
        if each.return_id == act.return_id:
            return each
    reason = f"order {order.number} shows no return {act.return_id} though it was just made"
    raise Rejected("ERP", "read the return", reason, "return_missing")


def _settled_before(erp: ErpOrder, request: CreditReturn) -> ErpReturn | None:
    """The return as the ERP credited it before its refund stopped; None where it is to be credited."""
    credited = [each for each in erp.returns if each.state is ErpReturnState.SETTLED]
    return next((x for x in credited if request.again and x.return_id == request.return_id), None)


def _require_all_judged(erp: ErpOrder, request: CreditReturn) -> None:
    """Raises Rejected where more came in than somebody looked at: settled now, the rest would never be credited."""
    held = next((each for each in erp.returns if each.return_id == request.return_id), None)
    if request.judged is None or held is None or held.state is ErpReturnState.SETTLED:
        return
    more = {line: n - request.judged.get(line, 0) for line, n in units_received(held).items()}
    if beyond := sum(units for units in more.values() if units > 0):
        reason = f"{count_units(beyond)} came in of which nobody has said what becomes of them"
        raise Rejected("ERP", f"settle return {request.number}", reason, f"{RETURN_GREW}:{request.key}")


def _asked_for(order: Order, return_id: str) -> bool:
    """Whether nobody has agreed to the storefront's return yet."""
    return any(
        each.return_id == return_id and each.status is ReturnStatus.REQUESTED for each in order.returns
    )


def _sender(order: ErpOrder, lines: dict[str, int]) -> str:
    """The warehouse that most of the units left from. Raises Rejected where none has."""
    units: Counter[str] = Counter()
    wanted = {line_of(name) for name in lines}
    for shipment in order.shipments:
        for part in shipment.lines if shipment.state is ErpShipmentState.SHIPPED else ():
            if part.line_id in wanted:
                units[shipment.warehouse] += part.quantity
    if not units:
        reason = f"nothing of lines {', '.join(sorted(lines))} has left a warehouse; name one as [returns] warehouse"
        raise Rejected("ERP", "find the warehouse for a return", reason, "return_warehouse_unknown")
    return max(sorted(units), key=units.__getitem__)


def _shipping_back(order: Order, mapping: Mapping, credited: dict[str, int]) -> Decimal:
    """The delivery charges that go back with the last units, in the buyer's currency."""
    if not mapping.returns.refund_shipping or units_left(order, credited):
        return _NOTHING
    if order.currency != order.presentment_currency:
        return _NOTHING  # the storefront tells charges in the shop's currency alone: a person gives them back
    return sum((c.price - sum((d.amount for d in c.discounts), _NOTHING) for c in order.shipping), _NOTHING)


def _refund(
    act: ReturnAct,
    restocked: dict[str, int],
    scrapped: dict[str, int],
    location: str | None,
    shipping: Decimal,
) -> RefundRequest:
    lines = [RefundLine(line_id=line, quantity=n, location=location) for line, n in restocked.items() if n]
    lines += [RefundLine(line_id=line, quantity=n) for line, n in scrapped.items() if n]
    return RefundRequest(
        key=act.key,
        refund_key=f"return:{act.key}:{act.return_id}",
        return_id=act.return_id if act.in_storefront else None,
        lines=tuple(lines),
        shipping=shipping,
        note=f"Return {act.number}",
    )


def _credit(request: CreditReturn, credit: Credit) -> ReturnCredit:
    return ReturnCredit(
        key=request.key,
        return_id=request.return_id,
        number=request.number,
        restocked={line: units for line, units in request.restocked.items() if units},
        scrapped={line: units for line, units in request.scrapped.items() if units},
        lines=credit.lines,
        total=credit.total,
        taxes=credit.taxes,
        note=f"Return {request.number}",
    )
