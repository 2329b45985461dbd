"""Twelve causes of trouble, each in several orders: what is wrong, and what an operator does about it, once.

The ERP of these orders knows little, so that much can be unknown to it. Who solves a case either says so at the command
line alone (a mapping, an acceptance), or mends a system first, as its own staff would.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from bench.sample_order import CURRENCY, sample_order
from bench.world import CHANNEL, BenchWorld, WatchedErp
from domain.money import round_money
from domain.order import Order, OrderLine, TaxLine

if TYPE_CHECKING:
    from domain.order import ShippingCharge

MOST_TROUBLED = 0.2
"""Share of the orders that the commonest cause has."""
TROUBLED = 0.04
"""Share that each other cause has."""
SEED = 12
_CENT = Decimal("0.01")
_RARE = ("WH-EAST", "RARE")
_BEACH, _VAT = ("Beach Tax", Decimal("0.05")), ("VAT", Decimal("0.20"))
_RATES = {"STATE-6.25": Decimal("0.0625"), "CITY-1.5": Decimal("0.015"), "BEACH-5": _BEACH[1]}

TAX_CODES = {"State Tax": "STATE-6.25", "City Tax": "CITY-1.5", _BEACH[0]: "BEACH-5", _VAT[0]: "VAT-20"}
"""What the ERP calls the storefront's taxes, once every cause is mended."""


def _nothing(_world: BenchWorld, _orders: Sequence[Order]) -> None:
    pass


@dataclass(frozen=True)
class Trouble:
    """One cause: how a good order gets it, how its case is solved, and what is mended before."""

    cause: Callable[[Order], str]
    """The cause that the case of a troubled order must name."""
    spoil: Callable[[Order], Order]
    how: tuple[str, ...]
    """Arguments of ``orderwright case resolve``."""
    mend: Callable[[BenchWorld, Sequence[Order]], None] = _nothing


def strict_erp() -> WatchedErp:
    """The ERP that some orders do not fit into."""
    return WatchedErp(
        warehouses={"WH-EAST", "WH-WEST", "WH-SOUTH"},
        products={"TEE-BLK-M", "MUG-LOGO", "SHIPPING", "ADJUSTMENT", "RARE"},
        parties={"C-GOLD"},
        taxes=dict(_RATES),
        stock={_RARE: 0},
    )


def close_books(world: BenchWorld, orders: Sequence[Order]) -> None:
    """Close the fiscal months before the latest order's."""
    latest = max(_month(order) for order in orders)
    for month in {_month(order) for order in orders} - {latest}:
        world.erp.close_period(month)


def places(orders: int) -> list[str | None]:
    """Which trouble each order has, in the order they come in; None: it is healthy. The same each time."""
    each = max(1, round(orders * TROUBLED))
    shares = dict.fromkeys(TROUBLES, each) | {next(iter(TROUBLES)): max(1, round(orders * MOST_TROUBLED))}
    mixed: list[str | None] = [name for name, share in shares.items() for _ in range(share)]
    mixed += [None] * (orders - len(mixed))
    random.Random(SEED).shuffle(mixed)
    return mixed


def order_at(number: int, trouble: str | None) -> Order:
    """The order with this number, with its trouble or without."""
    order = sample_order(CHANNEL, number)
    return order if trouble is None else TROUBLES[trouble].spoil(order)


def _month(order: Order) -> str:
    return f"{order.placed_at:%Y-%m}"


def _lines(order: Order, *changed: OrderLine) -> Order:
    """The order with other lines first, its sums and the card's promise made to fit."""
    lines = (*changed, *order.lines[len(changed) :])
    parts: tuple[OrderLine | ShippingCharge, ...] = (*lines, *order.shipping)
    taxes = [tax for part in parts for tax in part.taxes]
    total_tax = sum((tax.amount for tax in taxes), Decimal(0))
    net = sum((line.current * line.unit_price for line in lines), Decimal(0))
    return _total(
        order.model_copy(update={"lines": lines}),
        net + sum((charge.price for charge in order.shipping), total_tax),
        total_tax,
    )


def _total(order: Order, total: Decimal, total_tax: Decimal) -> Order:
    card = order.payments[0].model_copy(update={"amount": total, "presentment_amount": total})
    sums = {"total": total, "presentment_total": total, "total_tax": total_tax, "payments": (card,)}
    return order.model_copy(update=sums)


def _sku(sku: str) -> Callable[[Order], Order]:
    return lambda order: _lines(order, order.lines[0].model_copy(update={"sku": sku}))


def _tax(title: str, rate: Decimal) -> Callable[[Order], Order]:
    def spoil(order: Order) -> Order:
        first = order.lines[0]
        amount = round_money(first.current * first.unit_price * rate, CURRENCY)
        taxes = (TaxLine(title=title, rate=rate, amount=amount),)
        return _lines(order, first.model_copy(update={"taxes": taxes}))

    return spoil


def _company(company_id: str) -> Callable[[Order], Order]:
    def spoil(order: Order) -> Order:
        buyer = order.customer.model_copy(update={"company_id": company_id, "company_name": "Example Ltd"})
        return order.model_copy(update={"customer": buyer})

    return spoil


def _last_month(order: Order) -> Order:
    before = order.placed_at.replace(day=1) - timedelta(days=1)
    return order.model_copy(update={"placed_at": before})


def _one_cent(order: Order) -> Order:
    return _total(order, order.total + _CENT, order.total_tax + _CENT)


def _elsewhere(order: Order) -> Order:
    first, *others = order.location_plans
    return order.model_copy(
        update={"location_plans": (first.model_copy(update={"location": "109"}), *others)}
    )


def _paypal(order: Order) -> Order:
    paid = order.payments[0].model_copy(update={"gateway": "paypal"})
    return order.model_copy(update={"payments": (paid,)})


def _nowhere(order: Order) -> Order:
    return order.model_copy(update={"location_plans": ()})


def _new_product(world: BenchWorld, _orders: Sequence[Order]) -> None:
    world.erp.allow_product("MUG-NEW")


def _open_books(world: BenchWorld, _orders: Sequence[Order]) -> None:
    world.erp.open_period()


def _new_party(world: BenchWorld, _orders: Sequence[Order]) -> None:
    assert world.erp.parties is not None
    world.erp.parties.add("C-WHOLESALE")


def _new_tax(world: BenchWorld, _orders: Sequence[Order]) -> None:
    world.erp.taxes = {**_RATES, "VAT-20": _VAT[1]}


def _stock_in(world: BenchWorld, _orders: Sequence[Order]) -> None:
    del world.erp.stock[_RARE]


def _assign_locations(world: BenchWorld, orders: Sequence[Order]) -> None:
    for order in orders:
        good = sample_order(CHANNEL, 0).location_plans
        plans = tuple(
            plan.model_copy(update={"lines": (plan.lines[0].model_copy(update={"line_id": line.line_id}),)})
            for plan, line in zip(good, order.lines, strict=True)
        )
        world.storefront.replace(order.model_copy(update={"location_plans": plans}))


def _always(cause: str) -> Callable[[Order], str]:
    return lambda _order: cause


_RETRY = ("--retry",)

TROUBLES: Mapping[str, Trouble] = {
    "unknown SKU": Trouble(_always("product_unknown:erp:TEE-NEW"), _sku("TEE-NEW"), ("--map", "TEE-BLK-M")),
    "product not made yet": Trouble(
        _always("product_unknown:erp:MUG-NEW"), _sku("MUG-NEW"), _RETRY, _new_product
    ),
    "closed period": Trouble(
        lambda order: f"period_closed:erp:{_month(order)}", _last_month, _RETRY, _open_books
    ),
    "missing warehouse mapping": Trouble(
        _always("unmapped:locations:109"), _elsewhere, ("--map", "WH-SOUTH")
    ),
    "one-cent tax": Trouble(_always("amounts_differ:order"), _one_cent, ("--accept",)),
    "unknown customer group": Trouble(
        _always("unmapped:companies:309"), _company("309"), ("--map", "C-GOLD")
    ),
    "party not made yet": Trouble(
        _always("party_unknown:erp:C-WHOLESALE"), _company("301"), _RETRY, _new_party
    ),
    "unmapped tax": Trouble(_always("unmapped:taxes:Beach Tax 0.05"), _tax(*_BEACH), ("--map", "BEACH-5")),
    "tax not made yet": Trouble(_always("tax_unknown:erp:VAT-20"), _tax(*_VAT), _RETRY, _new_tax),
    "unmapped payment": Trouble(_always("unmapped:payment_methods:paypal"), _paypal, ("--map", "PayPal")),
    "out of stock": Trouble(_always("out_of_stock"), _sku("RARE"), _RETRY, _stock_in),
    "no location": Trouble(_always("no_location"), _nowhere, _RETRY, _assign_locations),
}
"""By name; the first is the commonest."""
