"""Where an order stands, derived from what happened; never stored."""

from sandbox.store.money_records import TransactionKind
from sandbox.store.records import OrderRecord


def is_paid(order: OrderRecord) -> bool:
    """Whether what was received covers what is owed."""
    received = order.received.presentment - order.refunded.presentment
    return order.cancelled_at is None and received >= order.total(current=True).presentment


def financial_status(order: OrderRecord) -> str:
    """Shopify's word for where the money stands."""
    received, refunded = order.received.presentment, order.refunded.presentment
    authorizations = [a for a in order.authorizations() if a.status == "SUCCESS"]
    if refunded:
        status = "REFUNDED" if refunded >= received else "PARTIALLY_REFUNDED"
    elif received:
        status = "PAID" if received >= order.total(current=True).presentment else "PARTIALLY_PAID"
    elif authorizations:
        voided = {t.parent_id for t in order.transactions if t.kind is TransactionKind.VOID}
        status = "VOIDED" if all(a.id in voided for a in authorizations) else "AUTHORIZED"
    else:
        status = "PENDING" if order.total(current=True).presentment else "PAID"
    return status


def fulfillment_status(order: OrderRecord) -> str:
    """Shopify's word for how much has left."""
    lines = [line for line in order.lines if line.requires_shipping]
    shipped = sum(order.shipped(line.id) for line in lines)
    if not shipped:
        return "UNFULFILLED"
    return "FULFILLED" if shipped >= sum(line.current for line in lines) else "PARTIALLY_FULFILLED"
