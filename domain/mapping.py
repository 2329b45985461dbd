"""The mapping between one storefront and one ERP, as data.

Loaded from ``config/mappings/*.toml`` by ``config.mappings``; versioned by content, so that an order keeps the
version it started with. Every look-up that finds nothing raises ``Unmapped``, which names the file's table and key.
"""

import json
from functools import cached_property
from hashlib import sha256

from pydantic import Field, model_validator

from domain.model import Frozen, Rate


class Unmapped(Exception):
    """A value of the storefront has no counterpart. ``table`` and ``key`` say what to add to the mapping file."""

    def __init__(self, table: str, key: str, hint: str = "") -> None:
        self.table = table
        self.key = key
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
    companies: dict[str, CompanyRule] = Field(default_factory=dict)
    shipping_product: str
    """ERP product that shipping is charged with."""

    @model_validator(mode="after")
    def _one_to_one(self) -> "Mapping":
        warehouses = list(self.locations.values())
        twice = {w for w in warehouses if warehouses.count(w) > 1}
        if twice:
            msg = f"[locations] maps two locations to warehouse {sorted(twice)[0]!r}; a shipment could not be told apart"
            raise ValueError(msg)
        rules = [(t.title, t.rate) for t in self.taxes]
        if len(set(rules)) != len(rules):
            msg = "[[taxes]] holds the same title and rate twice; keep one"
            raise ValueError(msg)
        return self

    @cached_property
    def version(self) -> str:
        """Content id: the same content has the same version wherever it is loaded."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return sha256(content.encode()).hexdigest()[:12]
