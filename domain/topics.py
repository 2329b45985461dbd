"""Topics of webhooks about orders that are not like the others: who says them, and to whom they are news."""

from typing import Final

ORDERS_CREATED: Final = "orders/create"

ORDERS_UPDATED: Final = "orders/updated"
"""Follows everything that happens to an order, each write of ours too. Of another address or note, and of money that a
card merely promised, nothing else tells."""

ORDERS_PAID: Final = "orders/paid"
"""The buyer has paid. It comes after our own last capture too, and is then news to nobody."""

ORDERS_CANCELED: Final = "orders/cancelled"
"""It comes after our own cancel too."""

REFUNDED: Final = "refunds/create"
"""It comes after our own cancel of what was paid, too."""

RETURN_OVER: Final = frozenset({"returns/close", "returns/cancel", "returns/decline"})
"""Nothing more comes of a return."""

RISK_ASSESSED: Final = "orders/risk_assessment_changed"
"""The storefront rates an order's risk otherwise: news only where that is waited for."""
