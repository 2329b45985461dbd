"""The memory ERP's books: its orders, each change numbered, and what people enter, close, forbid and post in them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING

from adapters.memory.billing import bill
from adapters.memory.stock_book import StockBook
from domain.erp_order import (
    ErpInvoiceState,
    ErpOrder,
    ErpOrderState,
    ErpShipmentState,
)
from domain.listings import ErpRecord
from domain.order import OrderKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.erp_order import (
        SalesOrder,
    )


class Books:
    """Books of orders, each change numbered.

    ``products`` is None where every product is known; ``stock`` holds units on hand by (warehouse, product),
    and what is not listed never runs out.
    """

    def __init__(
        self,
        *,
        products: set[str] | None,
        stock: dict[tuple[str, str], int] | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.products = products
        self.taxes: Mapping[str, Decimal] | None = None
        """Tax code -> rate; None where every tax is taken as it is told."""
        self.stock_book = StockBook(stock or {})
        self.stock = self.stock_book.counts
        self.forbidden_products: set[str] = set()
        self.period_open = True
        self.closed_months: set[str] = set()
        self.orders: dict[OrderKey, ErpOrder] = {}
        self.changed_at: dict[OrderKey, int] = {}
        """The number of each order's last change."""
        self.written_at: dict[OrderKey, datetime] = {}
        """When each order was changed last."""
        self.entered: dict[OrderKey, SalesOrder] = {}
        """Lines with their amounts, addresses and notes of each order, as they stand now."""
        self.references: dict[OrderKey, str] = {}
        """The storefront's number of each order."""
        self.by_hand: list[ErpRecord] = []
        """What people entered without us, the latest last."""
        self.return_places: dict[tuple[OrderKey, str], str] = {}
        """Which warehouse takes in the goods of a return."""
        self.last_change = 0
        self._clock = clock
        self._shipment_ids = count(1)

    def enter_by_hand(self, reference: str, key: OrderKey | None = None) -> ErpRecord:
        """Somebody enters an order again, or one that is nobody's: nothing here keeps them from it."""
        number = len(self.by_hand) + 1
        self.by_hand.append(
            ErpRecord(
                erp_id=f"hand-{number}",
                number=f"SO-H{number}",
                key=key,
                reference=reference,
                state=ErpOrderState.ACCEPTED,
                changed_at=self._clock(),
            )
        )
        return self.by_hand[-1]

    def cancel_by_hand(self, record: ErpRecord) -> ErpRecord:
        """Cancel what was entered by hand. Raises ValueError where it is none of them."""
        canceled = record.model_copy(update={"state": ErpOrderState.CANCELED, "changed_at": self._clock()})
        self.by_hand[self.by_hand.index(record)] = canceled
        return canceled

    def records(self) -> list[ErpRecord]:
        """Every order in the books, as a list shows it, in the order they were entered."""
        ours = [
            ErpRecord(
                erp_id=order.erp_id,
                number=order.number,
                key=key,
                reference=self.references.get(key, ""),
                state=order.state,
                shipped=sum(
                    line.quantity
                    for shipment in order.shipments
                    if shipment.state is ErpShipmentState.SHIPPED
                    for line in shipment.lines
                ),
                changed_at=self.written_at[key],
            )
            for key, order in self.orders.items()
        ]
        return [*ours, *self.by_hand]

    def close_period(self, month: str | None = None) -> None:
        """Refuse new orders of a month (``2026-03``), of all where none is named: ``period_closed:erp:2026-03``."""
        if month is None:
            self.period_open = False
        else:
            self.closed_months.add(month)

    def open_period(self) -> None:
        """Take new orders of every month again."""
        self.period_open = True
        self.closed_months.clear()

    def forbid_product(self, code: str) -> None:
        """Make a product unknown from now on."""
        self.forbidden_products.add(code)

    def allow_product(self, code: str) -> None:
        """Make a product known."""
        self.forbidden_products.discard(code)
        if self.products is not None:
            self.products.add(code)

    def knows_product(self, code: str) -> bool:
        """Whether an order may hold it."""
        return code not in self.forbidden_products and (self.products is None or code in self.products)

    def keep(self, order: ErpOrder) -> ErpOrder:
        """Write an order into the books and number the change; what its total grew or shrank by is invoiced."""
        self.last_change += 1
        before = self.orders.get(order.key)
        kits = {line.line_id: parts for line in order.lines if (parts := self.stock_book.parts(line.product))}
        order = bill(order.model_copy(update={"kits": kits}), before)
        self.stock_book.kept(before, order)
        self.orders[order.key] = order
        self.changed_at[order.key] = self.last_change
        self.written_at[order.key] = self._clock()
        return order

    def post_invoices(self, key: OrderKey) -> tuple[str, ...]:
        """Post the drafts among an order's invoices; returns the numbers they got."""
        order, posted = self.orders[key], []
        for invoice in order.invoices:
            if invoice.state is ErpInvoiceState.DRAFT:
                number = f"INV-{order.number}-{invoice.invoice_id}"
                posted.append(invoice.model_copy(update={"state": ErpInvoiceState.POSTED, "number": number}))
        by_id = {invoice.invoice_id: invoice for invoice in posted}
        self.keep(
            order.model_copy(update={"invoices": tuple(by_id.get(x.invoice_id, x) for x in order.invoices)})
        )
        return tuple(invoice.number for invoice in posted)

    def misbill(self, key: OrderKey, more: Decimal) -> None:
        """Somebody in accounting changes the first invoice by hand, the order stays as it is."""
        order = self.orders[key]
        first, *others = order.invoices
        wrong = first.model_copy(update={"net": first.net + more, "total": first.total + more})
        self.keep(order.model_copy(update={"invoices": (wrong, *others)}))
