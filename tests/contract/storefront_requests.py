"""Requests to a storefront, and what an order says, in terms of SKUs rather than the storefront's ids."""

from collections import Counter
from decimal import Decimal

from adapters.requests import CaptureRequest, FulfillmentRequest, RefundLine, RefundRequest
from domain.order import FulfillmentLine, Order, Payment, PaymentKind, PaymentStatus
from domain.returns import RefundPart
from tests.contract.storefront_worlds import Basket, StorefrontWorld

# 5 x 24.49 + 2 x 9.05, and 6.25 % of each line, rounded half up: 7.65 and 1.13.
TWO_PLACES = Basket({"CAP-BLK": {"101": 3, "102": 2}, "MUG-LOGO": {"101": 2}})
TOTAL, TAX = Decimal("149.33"), Decimal("8.78")
EURO = ("EUR", Decimal("0.9173"))


def line_of(order: Order, sku: str) -> str:
    return next(line.line_id for line in order.lines if line.sku == sku)


def open_units(order: Order) -> Counter[tuple[str, str]]:
    """Units still to ship, by SKU and location."""
    sku_of = {line.line_id: line.sku or "" for line in order.lines}
    units: Counter[tuple[str, str]] = Counter()
    for plan in order.location_plans:
        for line in plan.lines:
            assert plan.open or not line.remaining
            units[sku_of[line.line_id], plan.location] += line.remaining
    return +units


def parcel(
    order: Order, location: str, units: dict[str, int], tracking: str = "1Z1", known: tuple[str, ...] = ()
) -> FulfillmentRequest:
    return FulfillmentRequest(
        key=order.key,
        location=location,
        lines=tuple(FulfillmentLine(line_id=line_of(order, sku), quantity=n) for sku, n in units.items()),
        carrier="UPS",
        tracking_number=tracking,
        known_fulfillment_ids=known,
    )


def authorization(order: Order) -> Payment:
    (found,) = (p for p in order.payments if p.kind is PaymentKind.AUTHORIZATION)
    return found


def capture(order: Order, amount: str | Decimal) -> CaptureRequest:
    payment = authorization(order)
    return CaptureRequest(key=order.key, authorization_id=payment.payment_id, capture_up_to=Decimal(amount))


async def place(world: StorefrontWorld, basket: Basket = TWO_PLACES) -> Order:
    return await world.storefront.read_order(world.place(basket))


async def shipped(world: StorefrontWorld, basket: Basket = TWO_PLACES) -> Order:
    """An order that left as planned, with all its money taken."""
    order = await place(world, basket)
    for number, plan in enumerate(order.location_plans):
        units = {line.line_id: line.remaining for line in plan.lines}
        skus = {line.sku or "": units[line.line_id] for line in order.lines if units.get(line.line_id)}
        await world.storefront.create_fulfillment(parcel(order, plan.location, skus, f"1Z{number}"))
    payment = authorization(order)
    await world.storefront.capture_payment(capture(order, payment.presentment_amount))
    return await world.storefront.read_order(order.key.external_id)


def refund(
    order: Order,
    units: dict[str, int] | None = None,
    *,
    amount: Decimal | str = Decimal(0),
    shipping: str = "0",
    key: str = "r-1",
    location: str | None = "101",
) -> RefundRequest:
    """Units by SKU, and money from the payments in the order in which they were made."""
    left, money = Decimal(amount), []
    for payment in order.payments:
        if (
            payment.kind in {PaymentKind.CAPTURE, PaymentKind.SALE}
            and payment.status is PaymentStatus.SUCCESS
        ):
            part = min(left, payment.presentment_amount)
            left -= part
            money.append(RefundPart(payment_id=payment.payment_id, gateway=payment.gateway, amount=part))
    return RefundRequest(
        key=order.key,
        refund_key=f"{order.key}:{key}",
        lines=tuple(
            RefundLine(line_id=line_of(order, sku), quantity=n, location=location)
            for sku, n in (units or {}).items()
        ),
        shipping=Decimal(shipping),
        money=tuple(part for part in money if part.amount),
        note="Came back",
    )
