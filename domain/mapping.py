"""The mapping between one storefront and one ERP, as data.

Loaded from ``config/mappings/*.toml`` by ``config.mappings``; versioned by content, so that an order
keeps the version it started with. Every look-up that finds nothing raises ``Unmapped``, which names the
file's table and key.
"""

import json
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import Annotated, TypeVar

from pydantic import Field, model_validator

from domain.approval import ApprovalRules
from domain.backorder_rules import BackorderRules
from domain.gifts import GiftRules
from domain.model import Amount, Frozen, Rate
from domain.payment_rules import PaymentRules
from domain.preorders import PreorderRules
from domain.return_rules import ReturnRules
from domain.stock_rules import StockRules

Entry = TypeVar("Entry")


class Unmapped(Exception):
    """A value has no counterpart. ``table`` and ``key`` say what to add to the mapping file.

    ``cause`` is a stable key; ``side`` names what is known where it is not the table's own left side.
    """

    def __init__(self, table: str, key: str, hint: str = "", *, side: str = "") -> None:
        self.table = table
        self.key = key
        self.cause = f"unmapped:{side or table}:{key}"
        super().__init__(
            f"no entry for {key!r} in [{table}] of the mapping; add it, then resubmit the order"
            + (f" ({hint})" if hint else "")
        )


class TaxRule(Frozen):
    """Which ERP tax a storefront tax line becomes. Matched by title and rate, both exact."""

    title: str
    rate: Rate
    erp_code: str


class CompanyRule(Frozen):
    """A B2B company of the storefront and its party and price list in the ERP."""

    party: str
    price_list: str | None = None
    payment_terms: str | None = None
    """In words, such as ``30 days net``: the company pays later, its orders are carried without any payment."""


class Mapping(Frozen):
    """One system pair. Keys are the storefront's values, values the ERP's."""

    name: str
    skus: dict[str, str] = Field(default_factory=dict)
    """Only SKUs that differ; see ``sku_passthrough``."""
    sku_passthrough: bool = True
    """A SKU without an entry is the same in the ERP."""
    locations: dict[str, str]
    """Storefront location id -> ERP warehouse code; one to one."""
    taxes: tuple[TaxRule, ...]
    payment_methods: dict[str, str]
    """Gateway -> ERP payment method."""
    shipping_services: dict[str, str]
    """Shipping code -> ERP carrier code."""
    carriers: dict[str, str] = Field(default_factory=dict)
    """ERP carrier code -> what the buyer sees beside the tracking number."""
    charges: dict[str, str] = Field(default_factory=dict)
    """What is charged beside goods and delivery (``tip``, ``duty``, ``fee``, or a fee's own name) -> ERP product."""
    companies: dict[str, CompanyRule] = Field(default_factory=dict)
    shipping_product: str
    """ERP product that shipping is charged with."""
    adjustment_product: str | None = None
    """ERP product, a service without tax, that an accepted difference is booked on; None: none may be."""
    tax_tolerance: Annotated[Amount, Field(ge=0)] = Decimal(0)
    """So much of a difference in an order's tax, in its currency, is booked without asking; more is a case."""
    payments: PaymentRules = PaymentRules()
    approval: ApprovalRules = ApprovalRules()
    gifts: GiftRules = GiftRules()
    returns: ReturnRules = ReturnRules()
    backorders: BackorderRules = BackorderRules()
    preorders: PreorderRules = PreorderRules()
    stock: StockRules = StockRules()

    @model_validator(mode="after")
    def _one_to_one(self) -> "Mapping":
        warehouses = list(self.locations.values())
        twice = {w for w in warehouses if warehouses.count(w) > 1}
        if twice:
            raise ValueError(
                f"[locations] maps two locations to warehouse {min(twice)!r}; "
                "a shipment could not be told apart"
            )
        rules = [(t.title, t.rate) for t in self.taxes]
        if len(set(rules)) != len(rules):
            msg = "[[taxes]] holds the same title and rate twice; keep one"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _gateways_are_known(self) -> "Mapping":
        if unknown := sorted(self.payments.gateways.keys() - self.payment_methods.keys()):
            msg = f"[payments.gateways.{unknown[0]}] is no gateway of [payment_methods]; correct one of both"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _returns_come_to_a_known_place(self) -> "Mapping":
        place = self.returns.warehouse
        if place is not None and place not in self.locations.values():
            msg = (
                f"[returns] warehouse is {place!r}, which no location of [locations] is mapped to; what comes back "
                "could not go on a shelf of the storefront; correct one of both"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _tolerance_has_its_product(self) -> "Mapping":
        if self.tax_tolerance and self.adjustment_product is None:
            msg = "tax_tolerance needs an adjustment_product, a service of the ERP without tax, to book on; name one"
            raise ValueError(msg)
        return self

    @cached_property
    def version(self) -> str:
        """Content id: the same content has the same version wherever it is loaded."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return sha256(content.encode()).hexdigest()[:12]

    def product(self, sku: str) -> str:
        """The ERP's product code of a SKU. Raises Unmapped."""
        code = self.skus.get(sku, sku if self.sku_passthrough else None)
        if not code:
            raise Unmapped("skus", sku)
        return code

    def warehouse(self, location: str) -> str:
        """The ERP's warehouse code of a storefront location. Raises Unmapped."""
        return _look_up("locations", self.locations, location)

    def location_of(self, warehouse: str) -> str:
        """The storefront location of an ERP warehouse. Raises Unmapped."""
        for location, code in self.locations.items():
            if code == warehouse:
                return location
        raise Unmapped("locations", warehouse, "as the warehouse of a storefront location", side="warehouses")

    def tax_code(self, title: str, rate: Decimal) -> str:
        """The ERP's tax code of a tax line, matched by title and rate. Raises Unmapped."""
        for rule in self.taxes:
            if (rule.title, rule.rate) == (title, rate):
                return rule.erp_code
        raise Unmapped("taxes", f"{title} {rate}", "title and rate must both match exactly")

    def payment_method(self, gateway: str) -> str:
        """The ERP's payment method of a gateway. Raises Unmapped."""
        return _look_up("payment_methods", self.payment_methods, gateway)

    def carrier(self, code: str) -> str:
        """The ERP's carrier code of a shipping code. Raises Unmapped."""
        return _look_up("shipping_services", self.shipping_services, code)

    def carrier_name(self, code: str) -> str:
        """What the buyer sees for an ERP carrier code. Raises Unmapped."""
        return _look_up("carriers", self.carriers, code)

    def charge_product(self, kind: str, name: str = "") -> str:
        """The ERP product of a charge, by its name where that has one, else by its kind. Raises Unmapped."""
        if name in self.charges:
            return self.charges[name]
        return _look_up("charges", self.charges, kind)

    def company(self, company_id: str) -> CompanyRule:
        """Party and price list of a B2B company. Raises Unmapped."""
        return _look_up("companies", self.companies, company_id)

    def payment_terms(self, company_id: str | None) -> str | None:
        """On what terms a B2B company pays later; None for others, and for buyers that are no company."""
        company = self.companies.get(company_id or "")
        return company.payment_terms if company else None


def _look_up(table: str, entries: dict[str, Entry], key: str) -> Entry:
    if key not in entries:
        raise Unmapped(table, key)
    return entries[key]
