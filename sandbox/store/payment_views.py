"""How transactions look through GraphQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.store.catalog_views import lazily
from sandbox.store.money import ZERO
from sandbox.store.money_records import TransactionKind
from sandbox.store.notation import gid, moment

if TYPE_CHECKING:
    from sandbox.store.catalog_views import View
    from sandbox.store.money_records import TransactionRecord
    from sandbox.store.order_views import OrderViews


class PaymentViews:
    """Views of the money of one order."""

    def __init__(self, views: OrderViews) -> None:
        self._views = views

    def transactions(
        self, _info: Any, *, first: int | None = None, capturable: bool | None = None
    ) -> list[View]:
        """Order.transactions."""
        listed = self._views.order.transactions
        if capturable is not None:
            listed = [t for t in listed if self._is_capturable(t) == capturable]
        return [self.transaction(each) for each in listed[:first]]

    def transaction(self, payment: TransactionRecord) -> View:
        """OrderTransaction."""
        order = self._views.order
        is_authorization = payment.kind is TransactionKind.AUTHORIZATION
        capturable = self._is_capturable(payment)
        return {
            "id": gid("OrderTransaction", payment.id),
            "kind": payment.kind.value,
            "status": payment.status,
            "gateway": payment.gateway,
            "formattedGateway": payment.gateway.replace("_", " ").capitalize(),
            "amountSet": self._views.bag(payment.amount),
            "authorizationExpiresAt": moment(payment.expires_at),
            "createdAt": moment(payment.created_at),
            "processedAt": moment(payment.created_at),
            "errorCode": None if payment.status == "SUCCESS" else "GENERIC_ERROR",
            "manualPaymentGateway": payment.gateway == "manual",
            "manuallyCapturable": capturable,
            "multiCapturable": is_authorization,
            "parentTransaction": lazily(
                lambda: self.transaction(order.transaction(payment.parent_id)) if payment.parent_id else None
            ),
            "paymentId": f"{order.name}.{payment.id}",
            "test": order.test,
            "totalUnsettledSet": self._views.bag(order.capturable(payment)) if capturable else None,
        }

    def _is_capturable(self, payment: TransactionRecord) -> bool:
        is_authorization = payment.kind is TransactionKind.AUTHORIZATION
        return is_authorization and self._views.order.capturable(payment) != ZERO
