"""Money in and out: what is authorized and sold when an order is placed, then captures, voids and refunds.

Payments are made in the buyer's currency; the shop's amount follows at the order's own rate
(``CurrencyPair.settle``).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sandbox.store.money import ZERO, Both, allocate, half_up
from sandbox.store.money_records import TransactionKind, TransactionRecord
from sandbox.store.outbox import Outbox
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.requests import PlacePayment
from sandbox.store.state import State
from sandbox.store.status import is_paid

Part = tuple[TransactionRecord, Decimal]
"""A sale or capture, and what is to be given back of it in the buyer's currency."""


def take(state: State, order: OrderRecord, wanted: Sequence[PlacePayment]) -> list[TransactionRecord]:
    """Make payments of an order. Raises NotAllowed where they come to more than is left of its total."""
    due = order.total(current=True)
    open_amount = Both.total(map(order.capturable, order.authorizations()))
    moved = order.received - order.refunded + open_amount
    made = []
    for payment in wanted:
        left = due.presentment - moved.presentment
        amount = left if payment.amount == "rest" else payment.amount
        _check_digits(order, amount)
        if amount > left:
            msg = f"a payment of {amount} by {payment.gateway} is more than the {left} that is left to pay"
            raise NotAllowed(msg, "payments")
        if amount <= 0:
            continue
        both = order.currencies.settle(moved, amount, due)
        moved += both
        kind = TransactionKind.SALE if payment.kind == "sale" else TransactionKind.AUTHORIZATION
        made.append(_add(state, order, kind, both, gateway=payment.gateway))
        if kind is TransactionKind.AUTHORIZATION and payment.expires_in_days is not None:
            made[-1].expires_at = made[-1].created_at + timedelta(days=payment.expires_in_days)
    return made


def capture(
    state: State,
    outbox: Outbox,
    order: OrderRecord,
    authorization_id: int,
    amount: Decimal,
    *,
    currency: str | None,
    final: bool,
) -> TransactionRecord:
    """Capture a part of an authorization. Raises NotAllowed with the input field at fault."""
    try:
        authorization = order.transaction(authorization_id)
    except KeyError:
        raise NotAllowed(
            "The parent transaction could not be found", "input", "parentTransactionId"
        ) from None
    if authorization.kind is not TransactionKind.AUTHORIZATION:
        raise NotAllowed("The parent transaction is not an authorization", "input", "parentTransactionId")
    pair = order.currencies
    if currency is None and pair.shop != pair.presentment:
        raise NotAllowed("Currency is required for orders in several currencies", "input", "currency")
    if currency not in {None, pair.presentment}:
        message = f"Currency must be the presentment currency of the order, {pair.presentment}"
        raise NotAllowed(message, "input", "currency")
    _check_digits(order, amount, "input", "amount")
    if amount <= 0:
        raise NotAllowed("Amount must be greater than zero", "input", "amount")
    open_amount = order.capturable(authorization).presentment
    if amount > open_amount:
        message = (
            f"The capture amount can't be greater than the amount that is authorized and open ({open_amount})"
        )
        raise NotAllowed(message, "input", "amount")
    if authorization.expires_at is not None and authorization.expires_at <= datetime.now(UTC):
        raise NotAllowed("The authorization has expired", "input", "parentTransactionId")
    was_paid = is_paid(order)
    with state.transaction():
        due = order.total(current=True)
        both = pair.settle(order.received - order.refunded, amount, due)
        made = _add(
            state, order, TransactionKind.CAPTURE, both, gateway=authorization.gateway, parent=authorization
        )
        if final and order.capturable(authorization) != ZERO:
            _void(state, order, authorization)
        state.save_order(order)
        outbox.announce(order, *(["orders/paid"] if is_paid(order) and not was_paid else []))
    return made


def expire(state: State, order: OrderRecord) -> None:
    """Let everything that is authorized and not captured expire now."""
    with state.transaction():
        for authorization in order.authorizations():
            if order.capturable(authorization) != ZERO:
                authorization.expires_at = datetime.now(UTC)
        state.save_order(order)


def void_open(state: State, order: OrderRecord) -> None:
    """Let go of everything that is authorized and not captured."""
    for authorization in order.authorizations():
        if order.capturable(authorization) != ZERO:
            _void(state, order, authorization)


def in_proportion(order: OrderRecord, amount: Decimal) -> list[Part]:
    """So much money, divided over what was paid and not given back yet. Raises NotAllowed where less was taken."""
    _check_digits(order, amount, "amount")
    taken = (order.received - order.refunded).presentment
    if amount > taken:
        msg = f"{amount} cannot be refunded: only {taken} was taken"
        raise NotAllowed(msg, "amount")
    paid = [t for t in order.transactions if t.kind in _TAKING and t.status == "SUCCESS"]
    weights = [refundable(order, payment) for payment in paid]
    shares = allocate(amount, weights, order.currencies.units.presentment)
    return [(payment, share) for payment, share in zip(paid, shares, strict=True) if share]


def refundable(order: OrderRecord, payment: TransactionRecord) -> Decimal:
    """What a sale or capture took and nobody gave back yet, in the buyer's currency; of others nothing."""
    if payment.kind not in _TAKING or payment.status != "SUCCESS":
        return Decimal(0)
    back = [t for t in order.transactions if t.kind is TransactionKind.REFUND and t.parent_id == payment.id]
    return (payment.amount - Both.total(t.amount for t in back)).presentment


def give_back(state: State, order: OrderRecord, parts: Sequence[Part]) -> list[int]:
    """Refund money to payments; returns the transactions' ids. Raises NotAllowed where one took less. The caller
    saves.
    """
    made = []
    for payment, amount in parts:
        _check_digits(order, amount, "amount")
        if not 0 < amount <= refundable(order, payment):
            msg = f"{amount} cannot be refunded to payment {payment.id}: {refundable(order, payment)} is left of it"
            raise NotAllowed(msg, "amount")
        net = order.received - order.refunded
        both = -order.currencies.settle(net, -amount, order.total(current=True))
        made.append(
            _add(state, order, TransactionKind.REFUND, both, gateway=payment.gateway, parent=payment).id
        )
    return made


_TAKING = {TransactionKind.SALE, TransactionKind.CAPTURE}


def _void(state: State, order: OrderRecord, authorization: TransactionRecord) -> None:
    left = order.capturable(authorization)
    _add(state, order, TransactionKind.VOID, left, gateway=authorization.gateway, parent=authorization)


def _add(
    state: State,
    order: OrderRecord,
    kind: TransactionKind,
    amount: Both,
    *,
    gateway: str,
    parent: TransactionRecord | None = None,
) -> TransactionRecord:
    made = TransactionRecord(
        id=state.next_id("transaction"),
        kind=kind,
        gateway=gateway,
        amount=amount,
        parent_id=parent.id if parent else None,
        created_at=datetime.now(UTC),
    )
    order.transactions.append(made)
    return made


def _check_digits(order: OrderRecord, amount: Decimal, *field: str) -> None:
    if half_up(amount, order.currencies.units.presentment) != amount:
        msg = f"{amount} has more digits than {order.currencies.presentment} has"
        raise NotAllowed(msg, *field)
