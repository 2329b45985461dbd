"""From a request to an order record: looked up in the catalogue, priced in both currencies, planned by
location.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.model import Frozen
from sandbox import catalog
from sandbox.store.charge_records import TaxRecord
from sandbox.store.charging import charge_besides
from sandbox.store.money import ZERO, Both, CurrencyPair, half_up
from sandbox.store.party_records import AddressRecord, CompanyRecord, CustomerRecord
from sandbox.store.plans import add_to_plan
from sandbox.store.pricing import Charge, DiscountTerms, Priced, PricedOrder, price_order
from sandbox.store.records import (
    AllocationRecord,
    ApplicationRecord,
    LineRecord,
    NotAllowed,
    OrderRecord,
    ShippingRecord,
)
from sandbox.store.requests import (
    PlaceAddress,
    PlaceDiscount,
    PlaceLine,
    PlaceOrder,
    PlaceShipping,
    PlaceTax,
    Taxes,
)
from sandbox.store.schema import enum_values
from sandbox.store.state import State, Variant

# The wholesale catalogue of the storefront; the ERP's price list "B2B 10% off" says the same.
WHOLESALE_FACTOR = Decimal("0.90")


def _countries(request: PlaceOrder) -> list[str]:
    return [each.country_code for each in (request.shipping_address, request.billing_address) if each]


_CODES: Final[dict[str, Callable[[PlaceOrder], list[str]]]] = {
    "CountryCode": _countries,
    "CurrencyCode": lambda request: [request.presentment_currency or catalog.CURRENCY],
}


class _Basket(Frozen):
    """Lines and delivery that were asked for, looked up in the catalogue and ready to be priced."""

    lines: tuple[PlaceLine, ...]
    delivery: PlaceShipping | None
    order_taxes: tuple[PlaceTax, ...]
    variants: tuple[Variant, ...]
    prices: tuple[Decimal, ...]
    currencies: CurrencyPair

    def charges(self, *, presentment: bool) -> list[Charge]:
        """Lines to price in one of the two currencies."""
        return [
            Charge(
                quantity=line.quantity,
                unit_price=self._told(price, presentment=presentment),
                discounts=self.terms([line.discount] if line.discount else [], presentment=presentment),
                tax_rates=tuple(tax.rate for tax in self.taxes(line)),
            )
            for line, price in zip(self.lines, self.prices, strict=True)
        ]

    def shipping(self, *, presentment: bool) -> list[Charge]:
        """Delivery to price."""
        wanted = self.delivery
        if wanted is None:
            return []
        free = (DiscountTerms(percent=Decimal(100)),) if wanted.free else ()
        return [
            Charge(
                quantity=1,
                unit_price=self._told(wanted.price, presentment=presentment),
                discounts=free,
                tax_rates=tuple(tax.rate for tax in self.shipping_taxes(wanted)),
            )
        ]

    def terms(self, discounts: Sequence[PlaceDiscount], *, presentment: bool) -> tuple[DiscountTerms, ...]:
        """Discounts to price; fixed amounts are converted."""
        return tuple(
            DiscountTerms(percent=d.percent)
            if d.amount is None
            else DiscountTerms(amount=self._told(d.amount, presentment=presentment))
            for d in discounts
        )

    def taxes(self, line: PlaceLine) -> tuple[PlaceTax, ...]:
        """A line's own taxes, or else the order's."""
        return self.order_taxes if line.taxes is None else line.taxes

    def shipping_taxes(self, wanted: PlaceShipping) -> tuple[PlaceTax, ...]:
        """Delivery is taxed like the order."""
        return self.order_taxes if wanted.taxed else ()

    def _told(self, amount: Decimal, *, presentment: bool) -> Decimal:
        both = self.currencies.convert(amount)
        return both.presentment if presentment else both.shop


def draft(state: State, request: PlaceOrder) -> OrderRecord:
    """The order that a request makes, not paid and not saved yet. Raises NotAllowed."""
    order = _priced_order(state, request, _fill_basket(state, request))
    for line, wanted in zip(order.lines, request.lines, strict=False):  # a tip comes after them
        plan_line(state, order, line, wanted)
    return order


def additions(
    state: State, order: OrderRecord, lines: Sequence[PlaceLine], delivery: PlaceShipping | None, taxes: Taxes
) -> tuple[list[LineRecord], list[ShippingRecord]]:
    """Lines and delivery for an order that is placed already, priced; not planned, not saved. Raises NotAllowed."""
    basket = _look_up(state, lines, delivery, taxes, order.currencies, wholesale=order.company is not None)
    priced = _priced(basket, (), taxes_included=order.taxes_included)
    applications = order.applications
    return (
        _line_records(state, basket, (), applications, priced),
        _shipping_records(state, basket, applications, priced),
    )


def _fill_basket(state: State, request: PlaceOrder) -> _Basket:
    for name, values in _CODES.items():
        check_codes(name, values(request))
    currencies = CurrencyPair(
        shop=catalog.CURRENCY,
        presentment=request.presentment_currency or catalog.CURRENCY,
        rate=request.presentment_rate,
    )
    if currencies.shop == currencies.presentment and currencies.rate != 1:
        msg = "presentment_rate needs a presentment_currency other than the shop's"
        raise NotAllowed(msg)
    return _look_up(
        state,
        request.lines,
        request.shipping,
        request.taxes,
        currencies,
        wholesale=request.company is not None,
    )


def check_codes(enum: str, codes: Sequence[str]) -> None:
    """Raises NotAllowed for a code that is not in an enum of the schema."""
    strange = [code for code in codes if code not in enum_values(enum)]
    if strange:
        raise NotAllowed(f"{strange[0]!r} is no {enum} that this store knows")


def _look_up(
    state: State,
    lines: Sequence[PlaceLine],
    delivery: PlaceShipping | None,
    taxes: Taxes,
    currencies: CurrencyPair,
    *,
    wholesale: bool,
) -> _Basket:
    variants = []
    prices = []
    shop_unit = currencies.units.shop
    locations = state.locations().keys() - state.closed_locations()
    for line in lines:
        variant = state.variant("sku", line.sku)
        if variant is None:
            msg = f"the store has no product with SKU {line.sku!r}"
            raise NotAllowed(msg)
        unknown = [part.location for part in line.parts if part.location not in locations]
        if unknown:
            msg = (
                f"the store has no location {unknown[0]}; known are {', '.join(map(str, sorted(locations)))}"
            )
            raise NotAllowed(msg)
        price = variant.price if line.price is None else line.price
        if line.price is None and wholesale:
            price = half_up(price * WHOLESALE_FACTOR, shop_unit)
        if half_up(price, shop_unit) != price:
            msg = f"the price {price} of {line.sku} has more digits than {catalog.CURRENCY}"
            raise NotAllowed(msg)
        variants.append(variant)
        prices.append(price)
    return _Basket(
        lines=tuple(lines),
        delivery=delivery,
        order_taxes=tuple(taxes),
        variants=tuple(variants),
        prices=tuple(prices),
        currencies=currencies,
    )


def _priced(
    basket: _Basket, discounts: Sequence[PlaceDiscount], *, taxes_included: bool
) -> tuple[PricedOrder, PricedOrder]:
    """Priced in the shop's currency and in the buyer's."""
    units = basket.currencies.units
    shop, presentment = (
        price_order(
            basket.charges(presentment=told),
            basket.shipping(presentment=told),
            basket.terms(discounts, presentment=told),
            units.presentment if told else units.shop,
            taxes_included=taxes_included,
        )
        for told in (False, True)
    )
    return shop, presentment


def _priced_order(state: State, request: PlaceOrder, basket: _Basket) -> OrderRecord:
    pair = basket.currencies
    priced = _priced(basket, request.discounts, taxes_included=request.taxes_included)
    applications: list[ApplicationRecord] = [_application(d, "order", pair) for d in request.discounts]
    lines = _line_records(state, basket, range(len(request.discounts)), applications, priced)
    shipping = _shipping_records(state, basket, applications, priced)
    now = datetime.now(UTC).replace(microsecond=0)  # whole seconds, as the API tells them
    order = OrderRecord(
        id=state.next_id("order"),
        number=state.next_id("number"),
        created_at=now,
        updated_at=now,
        test=request.test,
        note=request.note,
        phone=request.phone,
        po_number=request.po_number,
        source_name=request.source_name,
        risk=request.risk,
        attributes=request.attributes,
        risk_level=request.risk_level,
        currencies=pair,
        taxes_included=request.taxes_included,
        tax_off=pair.convert(request.tax_off),
        email=request.email or (request.customer.email if request.customer else None),
        customer=_customer(state, request),
        company=_company(state, request),
        shipping_address=address_record(request.shipping_address),
        billing_address=address_record(request.billing_address or request.shipping_address),
        applications=applications,
        lines=lines,
        shipping=shipping,
        original_total=Both(shop=priced[0].total, presentment=priced[1].total) + _dearer(request, pair),
    )
    order.original_total += charge_besides(
        state, order, request, [basket.taxes(line) for line in request.lines]
    )
    assert order.total(current=True) == order.original_total, "the records must say what the pricing said"
    return order


def _dearer(request: PlaceOrder, pair: CurrencyPair) -> Both:
    """What taxes that are not what their rates give add to the total."""
    if request.taxes_included:
        return ZERO
    lines = (line.tax_off for line in request.lines if (request.taxes if line.taxes is None else line.taxes))
    return Both.total(map(pair.convert, (*lines, request.tax_off if request.taxes else Decimal(0))))


def _line_records(
    state: State,
    basket: _Basket,
    order_discounts: Sequence[int],
    applications: list[ApplicationRecord],
    priced: tuple[PricedOrder, PricedOrder],
) -> list[LineRecord]:
    """Lines of an order; their own discounts join ``applications``."""
    lines = []
    for i, (wanted, variant) in enumerate(zip(basket.lines, basket.variants, strict=True)):
        own = []
        if wanted.discount:
            own = [len(applications)]
            applications.append(_application(wanted.discount, "line", basket.currencies))
        a, b = (each.lines[i] for each in priced)
        lines.append(
            LineRecord(
                id=state.next_id("line"),
                product_id=variant.product_id,
                variant_id=variant.id,
                sku=variant.sku,
                title=variant.title,
                quantity=wanted.quantity,
                current=wanted.quantity,
                unit_price=basket.currencies.convert(basket.prices[i]),
                discounts=_allocations([*own, *order_discounts], a, b),
                taxes=_tax_records(basket.taxes(wanted), a, b, basket.currencies.convert(wanted.tax_off)),
                requires_shipping=wanted.requires_shipping,
                attributes=wanted.attributes,
            )
        )
    return lines


def _shipping_records(
    state: State,
    basket: _Basket,
    applications: list[ApplicationRecord],
    priced: tuple[PricedOrder, PricedOrder],
) -> list[ShippingRecord]:
    shipping = []
    for charge, a, b in zip([basket.delivery], *(each.shipping for each in priced), strict=False):
        assert charge is not None
        own = [len(applications)] if charge.free else []
        if charge.free:
            applications.append(
                ApplicationRecord(
                    kind="automatic", scope="shipping", title="Free shipping", percent=Decimal(100)
                )
            )
        shipping.append(
            ShippingRecord(
                id=state.next_id("shipping"),
                code=charge.code,
                title=charge.title or charge.code.capitalize(),
                price=basket.currencies.convert(charge.price),
                discounts=_allocations(own, a, b),
                taxes=_tax_records(basket.shipping_taxes(charge), a, b),
            )
        )
    return shipping


def discount_application(discount: PlaceDiscount, pair: CurrencyPair) -> ApplicationRecord:
    """A discount on one line."""
    return _application(discount, "line", pair)


def _application(discount: PlaceDiscount, scope: str, pair: CurrencyPair) -> ApplicationRecord:
    kind = "code" if discount.code else "manual" if scope == "line" else "automatic"
    return ApplicationRecord.model_validate(
        {
            "kind": kind,
            "scope": scope,
            "title": discount.code or discount.title,
            "percent": discount.percent,
            "amount": None if discount.amount is None else pair.convert(discount.amount),
        }
    )


def _allocations(applications: Sequence[int], shop: Priced, presentment: Priced) -> list[AllocationRecord]:
    parts = zip(applications, shop.discounts, presentment.discounts, strict=True)
    allocations = [AllocationRecord(application=i, amount=Both(shop=a, presentment=b)) for i, a, b in parts]
    return [each for each in allocations if each.amount != ZERO]


def _tax_records(
    taxes: Sequence[PlaceTax], shop: Priced, presentment: Priced, off: Both = ZERO
) -> list[TaxRecord]:
    """The taxes as they were priced, the first of them ``off``."""
    records = [
        TaxRecord(title=tax.title, rate=tax.rate, amount=Both(shop=a, presentment=b))
        for tax, a, b in zip(taxes, shop.taxes, presentment.taxes, strict=True)
    ]
    if records:
        records[0].amount += off
    return records


def _customer(state: State, request: PlaceOrder) -> CustomerRecord | None:
    wanted = request.customer
    if wanted is None:
        return None
    known = state.setting("customers") or {}
    if wanted.email not in known:
        known[wanted.email] = state.next_id("customer")
        state.keep_setting("customers", known)
    return CustomerRecord(id=known[wanted.email], **wanted.model_dump())


def _company(state: State, request: PlaceOrder) -> CompanyRecord | None:
    wanted = request.company
    if wanted is None:
        return None
    seeded = catalog.COMPANIES.get(str(wanted.id))
    name = wanted.name or (seeded[1] if seeded else None)
    if name is None:
        msg = f"company {wanted.id} is not in the catalogue; give it a name"
        raise NotAllowed(msg)
    return CompanyRecord(id=wanted.id, location_id=state.next_id("company_location"), name=name)


def address_record(wanted: PlaceAddress | None) -> AddressRecord | None:
    """An address as the store keeps it."""
    if wanted is None:
        return None
    country = wanted.country or catalog.COUNTRIES.get(wanted.country_code, wanted.country_code)
    province = wanted.province or catalog.SUBDIVISIONS.get(wanted.country_code, {}).get(
        wanted.province_code or ""
    )
    return AddressRecord.model_validate({**wanted.model_dump(), "country": country, "province": province})


def plan_line(state: State, order: OrderRecord, line: LineRecord, wanted: PlaceLine) -> None:
    """Let the locations ship a new line. Stock stays."""
    for part in wanted.parts:
        if line.requires_shipping and part.quantity:
            days = wanted.release_in_days
            opens = None if days is None else order.created_at + timedelta(days=days)
            add_to_plan(state, order, line, part.location, part.quantity, opens=opens)
