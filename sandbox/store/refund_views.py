"""How refunds look through GraphQL, and what the store suggests to refund."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from graphql import GraphQLError

from sandbox.store import refunding
from sandbox.store.catalog_views import lazily
from sandbox.store.money import Both
from sandbox.store.money_records import Restock
from sandbox.store.notation import gid, moment, number
from sandbox.store.records import NotAllowed
from sandbox.store.search import connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.store.catalog_views import View
    from sandbox.store.money_records import RefundLineRecord, RefundRecord, RefundShippingRecord
    from sandbox.store.order_views import OrderViews


class RefundViews:
    """Views of the refunds of one order."""

    def __init__(self, views: OrderViews) -> None:
        self._views = views

    def refund(self, refund: RefundRecord) -> View:
        """Refund."""
        order, bag = self._views.order, self._views.bag
        payments = [order.transaction(each) for each in refund.transaction_ids]
        return {
            "id": gid("Refund", refund.id),
            "legacyResourceId": str(refund.id),
            "note": refund.note,
            "createdAt": moment(refund.created_at),
            "processedAt": moment(refund.created_at),
            "updatedAt": moment(refund.created_at),
            "order": lazily(self._views.view),
            "return": lazily(
                lambda: (
                    self._views.returns.view(order.returned(refund.return_id)) if refund.return_id else None
                )
            ),
            "totalRefundedSet": bag(Both.total(p.amount for p in payments)),
            "transactions": connection(lambda: [self._views.payments.transaction(p) for p in payments]),
            "duties": [self._duty(part.duty_id, part.subtotal) for part in refund.duties],
            "refundLineItems": connection(lambda: [self._line(line) for line in refund.lines]),
            "refundShippingLines": connection(lambda: [self._shipping(part) for part in refund.shipping]),
        }

    def _line(self, line: RefundLineRecord) -> View:
        return {
            "id": gid("RefundLineItem", line.id) if line.id else None,
            "lineItem": lazily(lambda: self._views.line(self._views.order.line(line.line_id))),
            "location": self._views.location(line.location_id) if line.location_id else None,
            "quantity": line.quantity,
            "restockType": line.restock.value,
            "restocked": line.restock is not Restock.NO_RESTOCK,
            "subtotalSet": self._views.bag(line.subtotal),
            "totalTaxSet": self._views.bag(line.tax),
        }

    def _shipping(self, part: RefundShippingRecord) -> View:
        charges = {charge.id: charge for charge in self._views.order.shipping}
        return {
            "id": gid("RefundShippingLine", part.id),
            "shippingLine": lazily(lambda: self._views.shipping(charges[part.charge_id])),
            "subtotalAmountSet": self._views.bag(part.subtotal),
            "taxAmountSet": self._views.bag(part.tax),
        }

    def _duty(self, duty_id: int, amount: Both) -> View:
        duties = {duty.id: duty for line in self._views.order.lines for duty in line.duties}
        return {
            "amountSet": self._views.bag(amount),
            "originalDuty": lazily(lambda: self._views.duty(duties[duty_id])),
        }

    def suggested(
        self,
        _info: Any,
        *,
        refundLineItems: Sequence[View] | None = None,  # noqa: N803  GraphQL's name
        refundShipping: bool | None = None,  # noqa: N803
        shippingAmount: str | None = None,  # noqa: N803
        refundDuties: Sequence[View] | None = None,  # noqa: N803
    ) -> View:
        """Order.suggestedRefund."""
        order, bag = self._views.order, self._views.bag
        wish = refunding.RefundWish(
            lines=units_wanted(refundLineItems),
            shipping=shipping_wanted({"amount": shippingAmount, "fullRefund": refundShipping}),
            duties=duties_wanted(refundDuties),
        )
        try:
            refund = refunding.planned(self._views.state, order, wish)
        except NotAllowed as refusal:
            raise GraphQLError(str(refusal), extensions={"code": "BAD_REQUEST"}) from refusal
        delivery_tax = Both.total(part.tax for part in refund.shipping)
        duty_tax = Both.total(part.tax for part in refund.duties)
        return {
            "amountSet": bag(refunding.covered(order, refund)),
            "maximumRefundableSet": bag(order.received - order.refunded),
            "subtotalSet": bag(Both.total(line.subtotal for line in refund.lines)),
            "totalTaxSet": bag(Both.total(line.tax for line in refund.lines) + delivery_tax + duty_tax),
            "totalDutiesSet": bag(Both.total(part.subtotal for part in refund.duties)),
            "refundDuties": [self._duty(part.duty_id, part.subtotal) for part in refund.duties],
            "refundLineItems": [self._line(line) for line in refund.lines],
            "shipping": {
                "amountSet": bag(Both.total(part.subtotal for part in refund.shipping)),
                "maximumRefundableSet": bag(order.shipping_price(current=True)),
                "taxSet": bag(delivery_tax),
            },
        }


def units_wanted(lines: Sequence[View] | None) -> tuple[refunding.RefundUnits, ...]:
    """``RefundLineItemInput``s."""
    return tuple(
        refunding.RefundUnits(
            line_id=number(each["lineItemId"], "LineItem") or 0,
            quantity=max(0, each["quantity"]),
            restock=Restock(each.get("restockType") or "NO_RESTOCK"),
            location_id=number(each["locationId"], "Location") if each.get("locationId") else None,
        )
        for each in lines or ()
    )


def duties_wanted(duties: Sequence[View] | None) -> tuple[int, ...]:
    """``RefundDutyInput``s; each goes back in proportion."""
    return tuple(number(each["dutyId"], "Duty") or 0 for each in duties or ())


def shipping_wanted(shipping: View | None) -> Decimal | Literal["all"]:
    """``ShippingRefundInput``; an amount goes before the wish for all."""
    given = shipping or {}
    if given.get("amount") is not None:
        return Decimal(given["amount"])
    return "all" if given.get("fullRefund") else Decimal(0)
