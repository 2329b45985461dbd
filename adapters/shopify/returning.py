"""Returns that a shop keeps: read, agreed to, settled unit by unit, ended.

None of its mutations takes an idempotency key. Each attempt reads the return first: a state that is reached is left as
it is, a refund whose note holds the key was made, and units that are processed are not processed again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from adapters.echoes import refund_made, return_stands
from adapters.errors import ContractBroken, OutcomeUnknown, Rejected
from adapters.requests import Refund, RefundRequest
from adapters.shopify.answer import SYSTEM, Page, fit
from adapters.shopify.client import AdminApi
from adapters.shopify.global_ids import gid
from adapters.shopify.reading import OrderReader
from adapters.shopify.refund_answers import RefundState
from adapters.shopify.refunding import (
    REFUND,
    check_money,
    duty_inputs,
    find_marked,
    not_found,
    note_of,
    to_refund,
)
from adapters.shopify.return_answers import (
    ChangedReturn,
    ProcessedReturn,
    Return,
    ReturnLine,
    ReturnState,
    ReturnStatus,
    ReverseLine,
)
from adapters.spans import looked_up

APPROVE: Final = "approve return"
END: Final = "end return"

_NOTE_LIMIT: Final = 255
Echoes = tuple[str, ...]
"""What webhooks are going to tell of a change that was made here; none where it was made before."""


class Returning:
    """Acts on returns of one shop; ``notify_customers``: it tells buyers by e-mail."""

    def __init__(self, api: AdminApi, reader: OrderReader, *, notify_customers: bool) -> None:
        self._api = api
        self._reader = reader
        self._notify_customers = notify_customers

    async def approve(self, external_id: str, return_id: str) -> Echoes:
        """Agree to a return that is asked for; any other is left as it is. Raises Rejected ``return_unknown``."""
        held = await self._read(external_id, return_id, APPROVE)
        looked_up(SYSTEM, "return", found=held.status is not ReturnStatus.REQUESTED)
        if held.status is not ReturnStatus.REQUESTED:
            return ()
        wanted = {"id": gid("Return", return_id), "notifyCustomer": self._notify_customers}
        return await self._change(APPROVE, "approve_return", {"input": wanted}, external_id, held)

    async def end(self, external_id: str, return_id: str, reason: str) -> Echoes:
        """Decline a return that is asked for, cancel an open one, or close it once something of it was settled.

        Raises Rejected with cause ``return_unknown``.
        """
        held = await self._read(external_id, return_id, END)
        over = held.status not in {ReturnStatus.REQUESTED, ReturnStatus.OPEN}
        looked_up(SYSTEM, "return", found=over)
        if over:
            return ()
        if held.status is ReturnStatus.REQUESTED:
            wanted = {
                "id": gid("Return", return_id),
                "declineReason": "OTHER",
                "declineNote": reason[:_NOTE_LIMIT],
                "notifyCustomer": self._notify_customers,
            }
            return await self._change(END, "decline_return", {"input": wanted}, external_id, held)
        name = "close_return" if _begun(held) else "cancel_return"
        return await self._change(END, name, {"id": gid("Return", return_id)}, external_id, held)

    async def refund(self, request: RefundRequest, return_id: str) -> Refund:
        """Settle units of a return and give money back, once; close it when nothing is left.

        Raises Rejected with cause ``return_unknown``, ``not_returnable``, ``refund_exceeds_payment`` or
        ``payment_unknown``.
        """
        external_id = request.key.external_id
        state = await self._reader.refunds(external_id)
        held = await self._read(external_id, return_id, REFUND)
        made = _settled(request, return_id, state, held)
        looked_up(SYSTEM, "refund", found=made is not None)
        if made is not None:
            return await self._closed(external_id, held, made)
        if request.only_find:
            raise not_found(request)
        check_money(request.money, request, state)
        try:
            made, after = await self._process(request, return_id, state, held)
        except Rejected:
            # an earlier attempt may have got through in the meantime, or somebody else refunded
            state = await self._reader.refunds(external_id)
            held = await self._read(external_id, return_id, REFUND)
            made = _settled(request, return_id, state, held)
            if made is None:
                check_money(request.money, request, state)
                raise
            return await self._closed(external_id, held, made)
        return await self._closed(external_id, after, made)

    async def _closed(self, external_id: str, held: Return, made: Refund) -> Refund:
        """The refund, after its return was closed where nothing of it is left."""
        left = sum(line.unprocessed_quantity for line in held.return_line_items.nodes)
        left += sum(part.unprocessed_quantity for part in held.exchange_line_items.nodes)
        if held.status is ReturnStatus.OPEN and not left:
            variables = {"id": gid("Return", held.id)}
            closed = await self._change(REFUND, "close_return", variables, external_id, held)
            made = made.model_copy(update={"echoes": (*made.echoes, *closed)})
        return made

    async def _process(
        self, request: RefundRequest, return_id: str, state: RefundState, held: ReturnState
    ) -> tuple[Refund, Return]:
        currency = state.presentment_currency_code

        def money(amount: Decimal) -> dict[str, str]:
            return {"amount": format(amount, "f"), "currencyCode": currency}

        parts = [
            {"parentId": gid("OrderTransaction", part.payment_id), "transactionAmount": money(part.amount)}
            for part in request.money
            if part.amount
        ]
        wanted: dict[str, Any] = {
            "returnId": gid("Return", return_id),
            "returnLineItems": list(_line_inputs(request, held)),
            "note": note_of(request),
            "notifyCustomer": self._notify_customers,
        }
        if duties := duty_inputs(request, state):
            wanted["refundDuties"] = duties
        if request.shipping:
            wanted["refundShipping"] = {"shippingRefundAmount": money(request.shipping)}
        if parts:
            wanted["financialTransfer"] = {"issueRefund": {"orderTransactions": parts}}
        payload = await self._api.write(REFUND, "process_return", {"input": wanted})
        if payload.get("return") is None:
            raise OutcomeUnknown(SYSTEM, REFUND, "the shop names neither a return nor a reason against it")
        done = fit(ProcessedReturn, payload["return"], REFUND, "returnProcess.return")
        lines = await self._reader.return_lines(done)
        known = {refund.id for refund in state.refunds}
        fresh = [refund for refund in done.refunds.nodes if refund.id not in known]
        made = find_marked(request, fresh)
        if made is not None:
            # Of one that lacks our key nobody knows whether it is ours.
            made = made.model_copy(update={"echoes": (refund_made(made.refund_id),)})
        else:
            made = to_refund(fresh[-1]) if fresh else _without_money(return_id)
        return made, done.model_copy(update={"return_line_items": lines})

    async def _change(
        self, operation: str, name: str, variables: dict[str, Any], external_id: str, held: Return
    ) -> Echoes:
        """Change a return's state. What was refused is fine where somebody else has changed it meanwhile."""
        try:
            payload = await self._api.write(operation, name, variables)
        except Rejected:
            now = await self._read(external_id, held.id, operation)
            if now.status is held.status:
                raise
            return ()
        if payload.get("return") is None:
            raise OutcomeUnknown(SYSTEM, operation, "the shop names neither a return nor a reason against it")
        done = fit(ChangedReturn, payload["return"], operation, f"{name}.return")
        opened = done.status is ReturnStatus.OPEN
        units = sum(line.quantity for line in held.return_line_items.nodes) if opened else None
        return (return_stands(done.id, done.status.lower(), units),)

    async def _read(self, external_id: str, return_id: str, operation: str) -> ReturnState:
        data = await self._api.read(operation, "read_return", {"id": gid("Return", return_id)})
        held = data.get("return") and fit(ReturnState, data["return"], operation, "return")
        if not held or held.order.id != external_id:
            reason = f"the shop has no return {return_id} of order {external_id} that this app may read"
            raise Rejected(SYSTEM, operation, reason, "return_unknown")
        if held.reverse_fulfillment_orders.page_info.has_next_page:
            reason = f"return {held.name} is expected in more than 10 places"
            raise ContractBroken(SYSTEM, operation, reason)
        whole = [await self._reader.reverse_lines(each) for each in held.reverse_fulfillment_orders.nodes]
        return held.model_copy(
            update={
                "return_line_items": await self._reader.return_lines(held),
                "exchange_line_items": await self._reader.exchange_lines(held),
                "reverse_fulfillment_orders": Page(
                    nodes=tuple(whole), page_info=held.reverse_fulfillment_orders.page_info
                ),
            }
        )


def _settled(request: RefundRequest, return_id: str, state: RefundState, held: ReturnState) -> Refund | None:
    """The refund that settled these units already; None where they are still to be settled.

    Told by the key in a note, and where no note has it, by units that are processed though they are asked for. Raises
    Rejected with cause ``not_returnable`` where neither so many are open nor so many processed.
    """
    known = find_marked(request, state.refunds)
    if known is not None:
        return known
    open_units: Counter[str] = Counter()
    processed: Counter[str] = Counter()
    for line in held.return_line_items.nodes:
        if line.fulfillment_line_item is not None:
            open_units[line.fulfillment_line_item.line_item.id] += line.unprocessed_quantity
            processed[line.fulfillment_line_item.line_item.id] += line.processed_quantity
    wanted: Counter[str] = Counter()
    for part in request.lines:
        wanted[part.line_id] += part.quantity
    wanted = +wanted
    if held.status is ReturnStatus.OPEN and wanted <= open_units:
        return None
    if wanted and wanted <= processed:
        own = [refund for refund in state.refunds if refund.return_ and refund.return_.id == return_id]
        return to_refund(own[-1]) if own else _without_money(return_id)
    sentences = [
        f"{units} units of line {line_id} are to be given back, {open_units[line_id]} are open in return {held.name}"
        for line_id, units in wanted.items()
    ]
    reason = f"{'; '.join(sentences) or 'nothing is to be given back'}; the return is {held.status.lower()}"
    raise Rejected(SYSTEM, REFUND, reason, "not_returnable")


def _without_money(return_id: str) -> Refund:
    """Units that were settled and no refund: it goes by the return's id."""
    return Refund(refund_id=return_id, amount=Decimal(0))


def _begun(held: ReturnState) -> bool:
    """Whether anything of it is settled, has arrived, or is on the order in exchange: it can be canceled no more."""
    settled = sum(line.processed_quantity for line in held.return_line_items.nodes)
    settled += sum(part.processed_quantity for part in held.exchange_line_items.nodes)
    return bool(settled) or any(
        line.dispositions for each in held.reverse_fulfillment_orders.nodes for line in each.line_items.nodes
    )


def _line_inputs(request: RefundRequest, held: ReturnState) -> Iterator[dict[str, Any]]:
    """Units by return line, each with what became of them, in the order in which the shop lists them."""
    left = {line.id: line.unprocessed_quantity for line in held.return_line_items.nodes}
    expected = [line for each in held.reverse_fulfillment_orders.nodes for line in each.line_items.nodes]
    to_get = {line.id: line.total_quantity - sum(d.quantity for d in line.dispositions) for line in expected}
    units: Counter[str] = Counter()
    dispositions: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for part in request.lines:
        missing = part.quantity
        for line in held.return_line_items.nodes:
            parcel_line = line.fulfillment_line_item
            if parcel_line is None or parcel_line.line_item.id != part.line_id:
                continue
            taken = min(missing, left[line.id])
            missing -= taken
            left[line.id] -= taken
            units[line.id] += taken
            for reverse, quantity in _expected(expected, line, taken, to_get):
                to_get[reverse] -= quantity
                dispositions[line.id].append(_disposition(reverse, quantity, part.location))
    for line_id, quantity in (+units).items():
        yield {
            "id": gid("ReturnLineItem", line_id),
            "quantity": quantity,
            "dispositions": dispositions[line_id],
        }


def _expected(
    expected: list[ReverseLine], line: ReturnLine, units: int, to_get: dict[str, int]
) -> Iterator[tuple[str, int]]:
    """Where units of a return line are expected: reverse line and units. What arrived already is left as it is."""
    parcel_line = line.fulfillment_line_item
    for reverse in expected:
        place = reverse.fulfillment_line_item
        if parcel_line is None or place is None or place.id != parcel_line.id:
            continue
        if taken := min(units, to_get[reverse.id]):
            units -= taken
            yield reverse.id, taken


def _disposition(reverse: str, quantity: int, location: str | None) -> dict[str, Any]:
    kind = {"dispositionType": "NOT_RESTOCKED"}
    if location is not None:
        kind = {"dispositionType": "RESTOCKED", "locationId": gid("Location", location)}
    return {
        "reverseFulfillmentOrderLineItemId": gid("ReverseFulfillmentOrderLineItem", reverse),
        "quantity": quantity,
        **kind,
    }
