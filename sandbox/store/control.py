"""The control API: what buyers, the shop's staff and the weather do to the store. Loopback only, no login."""

from collections import Counter
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import Field

from domain.model import Amount, Frozen, Instant
from sandbox.store import editing, orders, payments, refunding, returning, stock_desk
from sandbox.store.fulfillment import reschedule
from sandbox.store.money import Both
from sandbox.store.money_records import Restock
from sandbox.store.outbox import WebhookKnobs
from sandbox.store.records import NotAllowed, OrderRecord, SoldOut
from sandbox.store.requests import (
    AskReturn,
    AssessRisk,
    CancelOrder,
    ChangeReturn,
    EditOrder,
    GiveBack,
    PlaceOrder,
    PlacePayment,
    Reschedule,
)
from sandbox.store.return_records import ReturnRecord
from sandbox.store.status import financial_status, fulfillment_status
from sandbox.store.throttle import ThrottleKnobs


class Fault(Frozen):
    """The next requests for a root field go wrong: refused before anything is done, or done and the answer
    lost.
    """

    field: str
    """Such as ``fulfillmentCreate`` or ``order``."""
    kind: Literal["unavailable", "too_many_requests", "answer_lost"]
    times: Annotated[int, Field(ge=1)] = 1


class DeliverAgain(Frozen):
    """Send the delivered webhooks of orders once more; ``as_new`` under new delivery ids."""

    order_ids: tuple[int, ...]
    as_new: bool = False


class LineReading(Frozen):
    """A line as the store remembers it."""

    id: int
    sku: str
    ordered: int
    current: int
    shipped: int
    returned: int = 0
    """Units refunded after they had left."""


class ReturnReading(Frozen):
    """A return as the store remembers it."""

    id: int
    name: str
    status: str
    units: dict[int, int]
    """By line."""
    processed: int


class OrderReading(Frozen):
    """One order, straight from the store's memory: for audits that trust no adapter. Amounts in the shop's
    currency.
    """

    id: int
    name: str
    created_at: Instant
    test: bool
    canceled: bool
    cancel_reason: str | None
    currency: str
    presentment_currency: str
    financial_status: str
    fulfillment_status: str
    total: Amount
    """What the buyer owes now."""
    presentment_total: Amount
    original_total: Amount
    taxes: dict[str, Amount]
    """By ``title rate``, such as ``VAT 0.20``; what is owed now."""
    authorized: Amount
    captured: Amount
    """Captures and sales less refunds."""
    presentment_captured: Amount
    refunded: Amount
    presentment_refunded: Amount
    refund_discrepancy: Amount
    """What refunds' units and delivery were worth less the money given back: negative for goodwill, else fees kept."""
    due: Amount
    """Owed, and neither taken nor authorized; in the buyer's currency. Negative: owed to the buyer."""
    refunds: int
    fulfillments: int
    open_units: int
    """Units that locations are still to ship."""
    tracking_numbers: tuple[str, ...]
    lines: tuple[LineReading, ...]
    returns: tuple[ReturnReading, ...] = ()


SOLD_OUT: Final = "sold_out"
"""What a refusal's detail has for its code where there is not enough stock."""


def read(order: OrderRecord) -> OrderReading:
    """What an audit wants to know of an order."""
    kept = order.received - order.refunded
    still_open = Both.total(map(order.capturable, order.authorizations()))
    return OrderReading(
        id=order.id,
        name=order.name,
        created_at=order.created_at,
        test=order.test,
        canceled=order.cancelled_at is not None,
        cancel_reason=order.cancel_reason,
        currency=order.currencies.shop,
        presentment_currency=order.currencies.presentment,
        financial_status=financial_status(order),
        fulfillment_status=fulfillment_status(order),
        total=order.total(current=True).shop,
        presentment_total=order.total(current=True).presentment,
        original_total=order.original_total.shop,
        taxes={f"{tax.title} {tax.rate}": tax.amount.shop for tax in order.taxes(current=True)},
        authorized=sum((a.amount.shop for a in order.authorizations()), Decimal(0)),
        captured=kept.shop,
        presentment_captured=kept.presentment,
        refunded=order.refunded.shop,
        presentment_refunded=order.refunded.presentment,
        refund_discrepancy=Both.total(map(order.refund_adjustment, order.refunds)).shop,
        due=(order.total(current=True) - kept - still_open).presentment,
        refunds=len(order.refunds),
        fulfillments=len(order.fulfillments),
        open_units=sum(part.remaining for plan in order.fulfillment_orders for part in plan.lines),
        tracking_numbers=tuple(t.number for f in order.fulfillments for t in f.tracking if t.number),
        lines=tuple(
            LineReading(
                id=line.id,
                sku=line.sku,
                ordered=line.quantity,
                current=line.current,
                shipped=order.shipped(line.id),
                returned=sum(
                    part.quantity
                    for refund in order.refunds
                    for part in refund.lines
                    if part.line_id == line.id and part.restock is not Restock.CANCEL
                ),
            )
            for line in order.lines
        ),
        returns=tuple(_read_return(each) for each in order.returns),
    )


def _read_return(record: ReturnRecord) -> ReturnReading:
    units: Counter[int] = Counter()
    for line in record.lines:
        units[line.line_id] += line.quantity
    return ReturnReading(
        id=record.id,
        name=record.name,
        status=record.status,
        units=dict(units),
        processed=sum(line.processed for line in record.lines),
    )


def _loopback_only(request: Request) -> None:
    if request.client is None or request.client.host not in {"127.0.0.1", "::1"}:
        raise HTTPException(403, "the control API answers on the loopback interface only")


router = APIRouter(prefix="/control", dependencies=[Depends(_loopback_only)])
router.include_router(stock_desk.router)


@router.post("/orders", status_code=201)
async def place_order(wanted: PlaceOrder, request: Request) -> OrderReading:
    """Place an order."""
    store = request.app.state.store
    with _refusals():
        return read(orders.place(store.state, store.outbox, wanted))


@router.get("/orders")
async def list_orders(request: Request) -> list[OrderReading]:
    """All orders, oldest first."""
    return [read(order) for order in request.app.state.store.state.orders()]


@router.get("/orders/{order_id}")
async def read_order(order_id: int, request: Request) -> OrderReading:
    """One order."""
    return read(_find(request, order_id))


@router.post("/orders/{order_id}/edit")
async def edit_order(order_id: int, wanted: EditOrder, request: Request) -> OrderReading:
    """Change lines, delivery, address or note."""
    store = request.app.state.store
    with _refusals():
        return read(editing.edit(store.state, store.outbox, _find(request, order_id), wanted))


@router.post("/orders/{order_id}/pay")
async def pay_order(order_id: int, wanted: PlacePayment, request: Request) -> OrderReading:
    """Pay what an edit made due."""
    store = request.app.state.store
    with _refusals():
        return read(orders.pay(store.state, store.outbox, _find(request, order_id), wanted))


@router.post("/orders/{order_id}/reschedule")
async def reschedule_order(order_id: int, wanted: Reschedule, request: Request) -> OrderReading:
    """Move what is scheduled of an order to another day."""
    store = request.app.state.store
    with _refusals():
        return read(reschedule(store.state, store.outbox, _find(request, order_id), wanted.days))


@router.post("/orders/{order_id}/assess")
async def assess_order(order_id: int, wanted: AssessRisk, request: Request) -> OrderReading:
    """Rate an order's risk anew."""
    store = request.app.state.store
    return read(orders.assess(store.state, store.outbox, _find(request, order_id), wanted))


@router.post("/orders/{order_id}/cancel")
async def cancel_order(order_id: int, wanted: CancelOrder, request: Request) -> OrderReading:
    """Cancel an order at once, as the buyer or the shop's staff does."""
    store = request.app.state.store
    order = _find(request, order_id)
    with _refusals():
        orders.cancel(
            store.state, store.outbox, order, wanted.reason, restock=wanted.restock, refund=wanted.refund
        )
    return read(order)


@router.post("/orders/{order_id}/refund")
async def refund_order(order_id: int, wanted: GiveBack, request: Request) -> OrderReading:
    """Give units, delivery or money back."""
    store = request.app.state.store
    order = _find(request, order_id)
    with _refusals():
        refunding.give_back(store.state, store.outbox, order, wanted)
    return read(order)


@router.post("/orders/{order_id}/returns", status_code=201)
async def ask_return(order_id: int, wanted: AskReturn, request: Request) -> OrderReading:
    """The buyer asks to send units back."""
    store = request.app.state.store
    order = _find(request, order_id)
    with _refusals():
        returning.ask(store.state, store.outbox, order, wanted)
    return read(order)


@router.post("/orders/{order_id}/returns/{return_id}")
async def change_return(
    order_id: int, return_id: int, wanted: ChangeReturn, request: Request
) -> OrderReading:
    """The shop's staff approves, declines or closes a return, or the buyer withdraws it."""
    store = request.app.state.store
    order = _find(request, order_id)
    if return_id not in {each.id for each in order.returns}:
        raise HTTPException(404, f"order {order_id} has no return {return_id}")
    with _refusals():
        returning.change(store.state, store.outbox, order, order.returned(return_id), wanted.act)
    return read(order)


@router.post("/orders/{order_id}/expire")
async def expire_authorizations(order_id: int, request: Request) -> OrderReading:
    """Let the order's open authorizations expire now."""
    order = _find(request, order_id)
    payments.expire(request.app.state.store.state, order)
    return read(order)


@router.get("/webhooks")
async def webhooks(request: Request) -> dict[str, Any]:
    """The knobs, and how many messages are in which state."""
    store = request.app.state.store
    rows = store.state.rows("SELECT state, count(*) AS messages FROM outbox GROUP BY state")
    counts = {"waiting": 0, "delivered": 0, "dropped": 0} | {row["state"]: row["messages"] for row in rows}
    return {"knobs": store.outbox.knobs.model_dump(exclude={"secret"}), "messages": counts}


@router.patch("/webhooks")
async def turn_webhook_knobs(changes: dict[str, Any], request: Request) -> dict[str, Any]:
    """Change some knobs; see ``WebhookKnobs``."""
    unknown = sorted(set(changes) - set(WebhookKnobs.model_fields))
    if unknown:
        raise HTTPException(422, f"no knob {unknown[0]!r}; known are {', '.join(WebhookKnobs.model_fields)}")
    try:
        request.app.state.store.outbox.turn(**changes)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return await webhooks(request)


@router.post("/webhooks/again")
async def deliver_again(wanted: DeliverAgain, request: Request) -> int:
    """Send delivered webhooks once more; returns how many."""
    outbox = request.app.state.store.outbox
    return sum(outbox.send_again(order_id, as_new=wanted.as_new) for order_id in wanted.order_ids)


@router.put("/throttle")
async def set_throttle(knobs: ThrottleKnobs, request: Request) -> ThrottleKnobs:
    """Another cost bucket, full."""
    request.app.state.store.set_throttle(knobs)
    return knobs


@router.post("/faults")
async def add_fault(fault: Fault, request: Request) -> list[Fault]:
    """Let the next requests for a field go wrong; returns all faults that wait."""
    faults: list[Fault] = request.app.state.store.faults
    faults.append(fault)
    return faults


@router.post("/reset")
async def reset(request: Request) -> dict[str, bool]:
    """Forget orders, stock changes and messages; numbers start again, knobs stay."""
    store = request.app.state.store
    store.state.reset()
    store.faults.clear()
    return {"ok": True}


def _find(request: Request, order_id: int) -> OrderRecord:
    order: OrderRecord | None = request.app.state.store.state.order(order_id)
    if order is None:
        raise HTTPException(404, f"the store has no order {order_id}")
    return order


class _refusals:  # noqa: N801  reads as a phrase after `with`
    """Turns a refusal of the store into a 409 with its words."""

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SoldOut):
            raise HTTPException(409, {"code": SOLD_OUT, "words": str(error)}) from error
        if isinstance(error, NotAllowed):
            raise HTTPException(409, str(error)) from error
