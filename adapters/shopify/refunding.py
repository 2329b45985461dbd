"""Giving units, delivery and money back: looked up by its note first, made once by its key.

A refund that was made carries its key in its note, where any later attempt finds it. Two attempts at the same time send
the same idempotency key, so that the shop makes one. That key also tells what the refund was decided on: a shop may
answer a key with an earlier refusal, which shall not outlive its reason.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from adapters.echoes import refund_made
from adapters.errors import OutcomeUnknown, Rejected
from adapters.requests import Refund, RefundLine, RefundQuote, RefundRequest
from adapters.shopify import refund_answers
from adapters.shopify.answer import SYSTEM, fit
from adapters.shopify.client import AdminApi
from adapters.shopify.global_ids import gid
from adapters.shopify.quoting import QUOTE, to_quote
from adapters.shopify.reading import OrderReader
from adapters.shopify.refund_answers import LineUnits, Quotation, RefundState
from adapters.shopify.translate import to_payments
from adapters.spans import looked_up
from domain.order import PaymentKind, PaymentStatus
from domain.returns import RefundPart

REFUND: Final = "refund order"

_NOTHING: Final = Decimal(0)


class Refunding:
    """Quotes and makes refunds of one shop; ``notify_customers``: it tells buyers by e-mail."""

    def __init__(self, api: AdminApi, reader: OrderReader, *, notify_customers: bool) -> None:
        self._api = api
        self._reader = reader
        self._notify_customers = notify_customers

    async def quote(self, request: RefundRequest) -> RefundQuote:
        """What units and delivery are worth. Raises Rejected with cause ``not_returnable``."""
        state = await self._reader.refunds(request.key.external_id)
        check_units(request, state, QUOTE)
        if not request.lines and not request.shipping:
            return RefundQuote(parts=(), total=_NOTHING, presentment_total=_NOTHING)
        quotation = await self._reader.part(
            Quotation,
            QUOTE,
            "quote_refund",
            request.key.external_id,
            lines=[
                {"lineItemId": gid("LineItem", line_id), "quantity": units, "restockType": "NO_RESTOCK"}
                for line_id, units in _units(request.lines).items()
            ],
            shipping=format(request.shipping, "f") if request.shipping else None,
            duties=duty_inputs(request, state) or None,
        )
        return to_quote(request, state, quotation)

    async def refund(self, request: RefundRequest) -> Refund:
        """Find or make a refund.

        Raises Rejected with cause ``not_returnable``, ``refund_exceeds_payment`` or ``payment_unknown``.
        """
        state = await self._reader.refunds(request.key.external_id)
        known = _known(request, state)
        looked_up(SYSTEM, "refund", found=known is not None)
        if known is not None:
            return known
        if request.only_find:
            raise not_found(request)
        check(request, state)
        try:
            return await self._make(request, state)
        except Rejected:
            # an earlier attempt may have got through in the meantime, or somebody else refunded
            state = await self._reader.refunds(request.key.external_id)
            known = _known(request, state)
            if known is not None:
                return known
            check(request, state)
            raise

    async def _make(self, request: RefundRequest, state: RefundState) -> Refund:
        order_id = gid("Order", request.key.external_id)
        foreign = state.presentment_currency_code != state.currency_code
        wanted = {
            "orderId": order_id,
            "note": note_of(request),
            "notify": self._notify_customers,
            "refundLineItems": [_line_input(line) for line in request.lines if line.quantity],
            "transactions": [
                {
                    "orderId": order_id,
                    "parentId": gid("OrderTransaction", part.payment_id),
                    "kind": "REFUND",
                    "gateway": part.gateway,
                    "amount": format(part.amount, "f"),
                }
                for part in request.money
                if part.amount
            ],
            **({"shipping": {"amount": format(request.shipping, "f")}} if request.shipping else {}),
            **({"refundDuties": duties} if (duties := duty_inputs(request, state)) else {}),
            **({"currency": state.presentment_currency_code} if foreign else {}),
        }
        payload = await self._api.write(
            REFUND, "refund_order", {"input": wanted, "key": _idempotency_key(wanted, request, state)}
        )
        if payload.get("refund") is None:
            raise OutcomeUnknown(SYSTEM, REFUND, "the shop names neither a refund nor a reason against it")
        made = to_refund(fit(refund_answers.Refund, payload["refund"], REFUND, "refundCreate.refund"))
        return made.model_copy(update={"echoes": (refund_made(made.refund_id),)})


def duty_inputs(request: RefundRequest, state: RefundState) -> list[dict[str, str]]:
    """The duties of the lines that units go back of: each in proportion to those units."""
    lines = (line.line_id for line in request.lines if line.quantity)
    return [{"dutyId": gid("Duty", duty.id), "refundType": "PROPORTIONAL"} for duty in state.duties_on(lines)]


def note_of(request: RefundRequest) -> str:
    """The refund's note, with its key behind it."""
    return f"{request.note} {_mark(request)}".strip()


def _mark(request: RefundRequest) -> str:
    return f"[{request.refund_key}]"


def find_marked(request: RefundRequest, refunds: Iterable[refund_answers.Refund]) -> Refund | None:
    """The refund whose note holds the request's key."""
    return next((to_refund(each) for each in refunds if _mark(request) in (each.note or "")), None)


def _known(request: RefundRequest, state: RefundState) -> Refund | None:
    return find_marked(request, state.refunds)


def to_refund(answer: refund_answers.Refund) -> Refund:
    """A refund as the port tells it."""
    return Refund(refund_id=answer.id, amount=answer.total_refunded_set.presentment_money.amount)


def _idempotency_key(wanted: dict[str, Any], request: RefundRequest, state: RefundState) -> str:
    concerned = {line.line_id for line in request.lines}
    held = {part.payment_id: str(_held(part.payment_id, state)) for part in request.money}
    decided_on: list[Any] = [request.refund_key, wanted, held]
    decided_on += [_left(line) for line in state.line_items.nodes if line.id in concerned]
    return hashlib.sha256(json.dumps(decided_on, sort_keys=True).encode()).hexdigest()


def not_found(request: RefundRequest) -> Rejected:
    """What a refund that is only to be found is answered where there is none."""
    reason = f"the units of {request.note or request.refund_key} are refunded already, by a refund of somebody else"
    return Rejected(SYSTEM, REFUND, reason, "not_returnable")


def check(request: RefundRequest, state: RefundState) -> None:
    """Raise Rejected where units or money cannot be given back."""
    check_units(request, state, REFUND)
    check_money(request.money, request, state)


def check_units(request: RefundRequest, state: RefundState, operation: str) -> None:
    """Raise Rejected where so many units have not left or came back already, or delivery costs less by now."""
    left = {line.id: _left(line) for line in state.line_items.nodes}
    sentences = [
        f"{units} units of line {line_id} cannot be given back: {left.get(line_id, 0)} have left and are not refunded"
        for line_id, units in _units(request.lines).items()
        if units > left.get(line_id, 0)
    ]
    charges = state.shipping_lines.left
    delivery = sum((c.current_discounted_price_set.presentment_money.amount for c in charges), _NOTHING)
    if request.shipping > delivery:
        sentences.append(f"{request.shipping} of delivery cannot be given back: {delivery} of it is left")
    if sentences:
        reason = f"{'; '.join(sentences)}; refund less, or money alone"
        raise Rejected(SYSTEM, operation, reason, "not_returnable")


def check_money(money: Iterable[RefundPart], request: RefundRequest, state: RefundState) -> None:
    """Raise Rejected where a payment holds less than is to go back to it."""
    wanted: defaultdict[str, Decimal] = defaultdict(Decimal)
    for part in money:
        wanted[part.payment_id] += part.amount
    for payment_id, amount in wanted.items():
        held = _held(payment_id, state)
        if held is None:
            reason = f"order {request.key} has no successful payment {payment_id} to refund"
            raise Rejected(SYSTEM, REFUND, reason, "payment_unknown")
        if amount > held:
            currency = state.presentment_currency_code
            reason = (
                f"{amount} {currency} cannot go back to payment {payment_id}: it holds {held} {currency};"
                " refund less, or give the rest back outside of the store"
            )
            raise Rejected(SYSTEM, REFUND, reason, "refund_exceeds_payment")


def _held(payment_id: str, state: RefundState) -> Decimal | None:
    """What a capture or sale took and has not given back, refunds on their way included; None where there is none."""
    payments = to_payments(state.transactions)
    taken = next(
        (
            p
            for p in payments
            if p.payment_id == payment_id
            and p.kind in {PaymentKind.CAPTURE, PaymentKind.SALE}
            and p.status is PaymentStatus.SUCCESS
        ),
        None,
    )
    if taken is None:
        return None
    back = (
        p.presentment_amount
        for p in payments
        if p.kind is PaymentKind.REFUND and p.parent_id == payment_id and p.status is not PaymentStatus.FAILED
    )
    return taken.presentment_amount - sum(back, _NOTHING)


def _left(line: LineUnits) -> int:
    """Units that left and were not refunded."""
    return max(0, line.refundable_quantity - line.unfulfilled_quantity)


def _units(lines: Iterable[RefundLine]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.line_id] += line.quantity
    return +units


def _line_input(line: RefundLine) -> dict[str, Any]:
    stocked = {"restockType": "NO_RESTOCK"}
    if line.location is not None:
        stocked = {"restockType": "RETURN", "locationId": gid("Location", line.location)}
    return {"lineItemId": gid("LineItem", line.line_id), "quantity": line.quantity, **stocked}
