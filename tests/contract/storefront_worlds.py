"""Storefronts that the contract suite runs against, each with its buyers and with a line that can be cut.

``Truth`` tells what the storefront's own people see, read without the adapter under test.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Final, Protocol
from uuid import uuid4

from adapters.memory.storefront import MemoryStorefront
from adapters.ports import StorefrontPort
from adapters.shopify.storefront import ShopifyStorefront
from domain.money import round_money
from domain.order import PaymentKind
from sandbox.store.control import Fault
from sandbox.store.requests import AskReturn, AskReturnLine, PlaceOrder
from sandbox.store.stock_desk import AddProducts, CountStock
from tests.order_builder import (
    CATALOG,
    PLACED_AT,
    US_TAXES,
    make_charge,
    make_discount,
    make_line,
    make_order,
    make_payment,
    make_shipping,
    make_tip,
)
from tests.running_store import RunningStore
from tests.store_fixture import storefront_at

# Operation of the port -> what Shopify calls it.
_MUTATIONS: Final = {
    "create_fulfillment": "fulfillmentCreate",
    "capture_payment": "orderCapture",
    "refund_order": "refundCreate",
    "refund_return": "returnProcess",
    "approve_return": "returnApproveRequest",
    "end_return": "returnCancel",
    "open_exchange": "returnCreate",
    "release_exchange": "returnProcess",
    "cancel_order": "orderCancel",
    "cancel_units": "refundCreate",
    "set_stock": "inventorySetQuantities",
}

_IN_MEMORY: Final = {"refund_return": "refund_order"}
"""Memory settles a return by the same call."""


@dataclass(frozen=True)
class Basket:
    """An order to place, taxed with 6.25 % on top; ``lines`` are SKU -> location -> units, at list prices."""

    lines: dict[str, dict[str, int]]
    presentment: tuple[str, Decimal] | None = None
    """Currency of the buyer, and what one unit of the shop's costs in it."""
    gift_card: Decimal | None = None
    """Taken at once; a card is authorized for the rest."""
    expires_in_days: int | None = None
    """Until when the card's authorization can be captured; None: without end."""
    test: bool = False
    delivery: Decimal | None = None
    """Price of a charge for delivery, taxed like the lines; None: there is none."""
    discount: Decimal | None = None
    """On the first line."""
    taxes_included: bool = False
    tip: Decimal | None = None
    duty: Decimal | None = None
    """On the first line, taxed like it."""
    fee: Decimal | None = None
    """Called ``Packaging``, not taxed."""
    two_taxes: bool = False
    """1.5 % more, as a tax of its own."""


@dataclass(frozen=True)
class Truth:
    """An order as the storefront's people see it."""

    total: Decimal
    presentment_total: Decimal
    captured: Decimal
    """Captures and sales less refunds, in the shop's currency."""
    presentment_captured: Decimal
    canceled: bool
    fulfillments: int
    open_units: int


class StorefrontWorld(Protocol):
    """A storefront, its buyers and the line to it."""

    storefront: StorefrontPort

    def place(self, basket: Basket) -> str:
        """A buyer places an order; returns its external id."""
        ...

    def edit(self, external_id: str, line_id: str, current: int) -> None:
        """A line is lowered."""
        ...

    def expire(self, external_id: str) -> None:
        """What is authorized and not captured expires now."""
        ...

    def ask_return(self, external_id: str, units: dict[str, int]) -> str:
        """The buyer asks to send units (by line) back; returns the return's id."""
        ...

    def withdraw_return(self, external_id: str, return_id: str) -> None:
        """The buyer keeps them after all."""
        ...

    def stock(self, units: dict[str, int], *, tracked: bool = True) -> str:
        """A new product, sold beyond its stock, of which so many units are available at each location; its SKU."""
        ...

    def count(self, sku: str, location: str, units: int) -> None:
        """Somebody of the storefront counts so many units."""
        ...

    def truth(self, external_id: str) -> Truth:
        """What the storefront's people see."""
        ...

    def lose_answer(self, operation: str) -> None:
        """The next write of this operation is done, its answer lost."""
        ...

    def lose_request(self, operation: str) -> None:
        """The next write of this operation does not happen."""
        ...

    def stranger(self) -> StorefrontPort:
        """The same storefront with a token that it does not know."""
        ...


class MemoryStorefrontWorld:
    """The memory storefront; two orders make a page."""

    def __init__(self) -> None:
        prices = {sku: price for sku, (_, price) in CATALOG.items()}
        self.storefront = self._memory = MemoryStorefront(page_size=2, prices=prices)
        self._ids = count(5001)

    def place(self, basket: Basket) -> str:
        number = next(self._ids)
        lines = tuple(
            make_line(
                f"{number}{place}",
                sku,
                sum(units.values()),
                discounts=[make_discount(basket.discount)] if basket.discount and place == 1 else [],
                tax_rates=US_TAXES[: 2 if basket.two_taxes else 1],
                taxes_included=basket.taxes_included,
            )
            for place, (sku, units) in enumerate(basket.lines.items(), 1)
        )
        rates = US_TAXES[: 2 if basket.two_taxes else 1]
        if basket.duty:
            duty = make_charge(basket.duty, f"{number}7", tax_rates=rates)
            lines = (lines[0].model_copy(update={"duties": (duty,)}), *lines[1:])
        placement = {line.line_id: units for line, units in zip(lines, basket.lines.values(), strict=True)}
        delivery = make_shipping(
            basket.delivery or 0,
            charge_id=f"{number}9",
            tax_rates=US_TAXES[: 2 if basket.two_taxes else 1],
            taxes_included=basket.taxes_included,
        )
        order = make_order(
            str(number),
            lines=(*lines, make_tip(basket.tip, f"{number}6")) if basket.tip else lines,
            fees=(make_charge(basket.fee, f"{number}8", title="Packaging"),) if basket.fee else (),
            shipping=[delivery] if basket.delivery else [],
            taxes_included=basket.taxes_included,
            placement=placement,
            test=basket.test,
            placed_at=PLACED_AT + timedelta(seconds=number),
        )
        currency, rate = basket.presentment or (order.currency, Decimal(1))
        sale = basket.gift_card or Decimal(0)
        presented = round_money(order.total * rate, currency)
        payments = [
            make_payment(
                order.total - sale,
                payment_id=f"{number}02",
                presentment_amount=presented - round_money(sale * rate, currency),
            )
        ]
        if basket.expires_in_days is not None:
            expires_at = datetime.now(UTC) + timedelta(days=basket.expires_in_days)
            payments[0] = payments[0].model_copy(update={"expires_at": expires_at})
        if sale:
            payments.insert(
                0,
                make_payment(
                    sale,
                    PaymentKind.SALE,
                    payment_id=f"{number}01",
                    gateway="gift_card",
                    presentment_amount=round_money(sale * rate, currency),
                ),
            )
        update = {
            "presentment_currency": currency,
            "presentment_total": presented,
            "payments": tuple(payments),
        }
        self._memory.place(order.model_copy(update=update))
        return str(number)

    def edit(self, external_id: str, line_id: str, current: int) -> None:
        self._memory.edit_quantity(external_id, line_id, current)

    def expire(self, external_id: str) -> None:
        self._memory.expire_authorizations(external_id)

    def ask_return(self, external_id: str, units: dict[str, int]) -> str:
        return self._memory.request_return(external_id, units, "Too big").returns[-1].return_id

    def withdraw_return(self, external_id: str, return_id: str) -> None:
        self._memory.withdraw_return(external_id, return_id)

    def stock(self, units: dict[str, int], *, tracked: bool = True) -> str:
        sku = f"STOCK-{next(self._ids)}"
        for location, available in units.items():
            self._memory.shelf.stock(sku, location, available)
        if not tracked:
            self._memory.shelf.untracked.add(sku)
        return sku

    def count(self, sku: str, location: str, units: int) -> None:
        self._memory.shelf.stock(sku, location, units)

    def truth(self, external_id: str) -> Truth:
        order = self._memory.orders[external_id]
        signs = {PaymentKind.CAPTURE: 1, PaymentKind.SALE: 1, PaymentKind.REFUND: -1}
        taken = [(p.presentment_amount, signs.get(p.kind, 0)) for p in order.payments]
        return Truth(
            total=order.total,
            presentment_total=order.presentment_total,
            captured=order.captured,
            presentment_captured=sum((amount * sign for amount, sign in taken), Decimal(0)),
            canceled=order.canceled_at is not None,
            fulfillments=len(order.fulfillments),
            open_units=sum(line.remaining for plan in order.location_plans for line in plan.lines),
        )

    def lose_answer(self, operation: str) -> None:
        self._memory.faults.lose_answer(_IN_MEMORY.get(operation, operation), nth=1)

    def lose_request(self, operation: str) -> None:
        self._memory.faults.unavailable(_IN_MEMORY.get(operation, operation), nth=1)

    def stranger(self) -> StorefrontPort:
        stranger = MemoryStorefront()
        stranger.credentials_valid = False
        return stranger


class ShopifyWorld:
    """The sandbox's Shopify-compatible store."""

    def __init__(self, store: RunningStore) -> None:
        self._store = store
        self.storefront: StorefrontPort = storefront_at(store)

    def place(self, basket: Basket) -> str:
        lines: list[dict[str, object]] = [
            {
                "sku": sku,
                "quantity": sum(units.values()),
                "split": [{"location": int(at), "quantity": quantity} for at, quantity in units.items()],
            }
            for sku, units in basket.lines.items()
        ]
        wanted: dict[str, object] = {
            "lines": lines,
            "taxes": ["STATE-6.25", "CITY-1.5"][: 2 if basket.two_taxes else 1],
            "taxes_included": basket.taxes_included,
            "test": basket.test,
        }
        if basket.discount:
            lines[0]["discount"] = {"title": "Sorry", "amount": str(basket.discount)}
        if basket.tip:
            wanted["tip"] = str(basket.tip)
        if basket.duty:
            lines[0]["duty"] = {"amount": str(basket.duty), "hs_code": "6505.00", "taxed": True}
        if basket.fee:
            wanted["fees"] = [{"name": "Packaging", "amount": str(basket.fee)}]
        if basket.delivery:
            wanted["shipping"] = {"price": str(basket.delivery)}
        if basket.presentment:
            currency, rate = basket.presentment
            wanted |= {"presentment_currency": currency, "presentment_rate": str(rate)}
        card = {"amount": "rest", "expires_in_days": basket.expires_in_days}
        wanted["payments"] = [card]
        if basket.gift_card:
            gift_card = {"gateway": "gift_card", "kind": "sale", "amount": str(basket.gift_card)}
            wanted["payments"] = [gift_card, card]
        return str(self._store.control.place_order(PlaceOrder.model_validate(wanted)).id)

    def edit(self, external_id: str, line_id: str, current: int) -> None:
        self._store.control.edit_line(external_id, int(line_id), current)

    def expire(self, external_id: str) -> None:
        self._store.control.expire_authorizations(external_id)

    def ask_return(self, external_id: str, units: dict[str, int]) -> str:
        lines = tuple(
            AskReturnLine(line=int(line), quantity=quantity, note="Too big")
            for line, quantity in units.items()
        )
        return str(self._store.control.ask_return(external_id, AskReturn(lines=lines)).returns[-1].id)

    def withdraw_return(self, external_id: str, return_id: str) -> None:
        self._store.control.change_return(external_id, return_id, "withdraw")

    def stock(self, units: dict[str, int], *, tracked: bool = True) -> str:
        sku = f"STOCK-{uuid4().hex[:12]}"
        stock = {int(location): available for location, available in units.items()}
        self._store.control.add_products(
            AddProducts(skus=(sku,), stock=stock, tracked=tracked, policy="CONTINUE")
        )
        return sku

    def count(self, sku: str, location: str, units: int) -> None:
        self._store.control.count_stock(CountStock(sku=sku, location=int(location), available=units))

    def truth(self, external_id: str) -> Truth:
        reading = self._store.control.read_order(external_id)
        return Truth(
            total=reading.total,
            presentment_total=reading.presentment_total,
            captured=reading.captured,
            presentment_captured=reading.presentment_captured,
            canceled=reading.canceled,
            fulfillments=reading.fulfillments,
            open_units=reading.open_units,
        )

    def lose_answer(self, operation: str) -> None:
        self._store.control.add_fault(Fault(field=_MUTATIONS[operation], kind="answer_lost"))

    def lose_request(self, operation: str) -> None:
        self._store.control.add_fault(Fault(field=_MUTATIONS[operation], kind="unavailable"))

    def stranger(self) -> StorefrontPort:
        return ShopifyStorefront("shop", self._store.url, "wrong-token")
