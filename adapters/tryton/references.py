"""Looks up ids in Tryton by the codes that an order names, and remembers them.

What is not there is never remembered, and everything is forgotten after a refusal: what a human mends at the ERP
takes effect with the next try.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.errors import ContractBroken, Rejected
from adapters.tryton.amounts import LineTax
from adapters.tryton.records import SHIPPABLE, CurrencyRecord, TaxRecord
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.translate import (
    ROUNDING_PRODUCT,
    ROUNDING_SUFFIX,
    ProductReference,
    References,
    WarehouseReference,
    needed_codes,
)
from domain.erp_order import SalesOrder
from domain.model import Amount, Frozen

REMEMBER_SECONDS: Final = 300.0
_Load = Callable[[list[str]], Awaitable[Mapping[str, Any]]]


class Shop(Frozen):
    """A ``web.shop`` of Tryton: where a channel's sales belong."""

    id: int
    company: int
    currency: int
    currency_code: str
    step: Amount


class _ShopRecord(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: int
    company: int


class ReferenceBook:
    """Ids by code, kept for five minutes."""

    def __init__(self, rpc: TrytonRpc, clock: Callable[[], float] = time.monotonic) -> None:
        self._rpc = rpc
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}

    def forget(self) -> None:
        """Look everything up anew."""
        self._kept.clear()

    async def of_order(self, order: SalesOrder) -> References:
        """Everything that the order names.

        Raises Rejected with cause ``product_unknown:tryton:CODE``, likewise ``tax_unknown``, ``warehouse_unknown``,
        ``carrier_unknown``, ``price_list_unknown``, ``shop_unknown`` or ``currency_differs``. The cause names the first
        code that is missing, the words all of them and what to add where.
        """
        products, taxes, warehouses = needed_codes(order)
        found = await self.of_lines(order.key.channel, order.currency, products, taxes)
        return found.model_copy(
            update={
                "warehouses": await self.warehouses(warehouses),
                "carrier": await self._one("carrier", order.carrier, self._carriers),
                "price_list": await self._one("price_list", order.price_list, self._price_lists),
            }
        )

    async def of_lines(self, channel: str, currency: str, products: set[str], taxes: set[str]) -> References:
        """What lines with these products and taxes need, no warehouse among it. Raises as ``of_order``."""
        shop = await self.shop(channel)
        if shop.currency_code != currency:
            raise _unknown(
                f"currency_differs:{SYSTEM}:{currency}",
                f"the order is in {currency}, the ERP's web shop {channel!r} in {shop.currency_code}",
            )
        rounding = {code + ROUNDING_SUFFIX for code in taxes}
        return References(
            company=shop.company,
            shop=shop.id,
            currency=shop.currency,
            currency_step=shop.step,
            # What brings a tax to the cent is asked for by the plan only where a cent is off.
            products=await self._find("product", products, self._products, optional={ROUNDING_PRODUCT}),
            taxes=await self._find("tax", taxes, self._taxes, optional=rounding),
            warehouses={},
        )

    async def shop(self, channel: str) -> Shop:
        """The web shop of a channel. Raises Rejected with cause ``shop_unknown``."""
        found = await self._find("shop", {channel}, self._shops)
        shop: Shop = found[channel]
        return shop

    async def warehouses(self, codes: Iterable[str]) -> dict[str, WarehouseReference]:
        """Warehouses by code. Raises Rejected with cause ``warehouse_unknown``."""
        return await self._find("warehouse", set(codes), self._warehouses)

    async def country(self, code: str) -> int:
        """A country by its ISO code. Raises Rejected with cause ``country_unknown``."""
        found = await self._find("country", {code}, self._countries)
        country: int = found[code]
        return country

    async def subdivision(self, country: str, state: str) -> int | None:
        """A state or province, None where Tryton's list of this country lacks it."""
        code = f"{country}-{state.removeprefix(country + '-')}"
        key = ("subdivision", code)
        kept = self._kept.get(key)
        if kept is None or kept[0] < self._clock():
            rows = await self._read("country.subdivision", [["code", "=", code]], ["code"])
            self._keep(key, rows[0]["id"] if rows else None)
        return self._kept[key][1]  # type: ignore[no-any-return]  # put there two lines above

    def _keep(self, key: tuple[str, str], value: Any) -> None:
        self._kept[key] = (self._clock() + REMEMBER_SECONDS, value)

    async def _one(self, kind: str, code: str | None, load: _Load) -> int | None:
        return None if code is None else (await self._find(kind, {code}, load))[code]

    async def _find(
        self,
        kind: str,
        required: set[str],
        load: _Load,
        *,
        optional: AbstractSet[str] = frozenset(),
    ) -> dict[str, Any]:
        """What ``load`` knows of the codes, from memory where it is fresh; one call for all that is not."""
        now = self._clock()
        codes = required | optional
        wanted = sorted(c for c in codes if (kept := self._kept.get((kind, c))) is None or kept[0] < now)
        if wanted:
            try:
                loaded = await load(wanted)
            except (KeyError, TypeError, ValidationError) as error:
                raise ContractBroken(
                    SYSTEM, f"look up {kind}", f"the answer lacks something ({error!r})"
                ) from error
            for code, value in loaded.items():
                self._keep((kind, code), value)
            missing = [code for code in wanted if code not in loaded and code in required]
            if missing:
                raise _unknown(f"{kind}_unknown:{SYSTEM}:{missing[0]}", _remedy(kind, missing))
        return {code: kept[1] for code in codes if (kept := self._kept.get((kind, code))) is not None}

    async def _read(self, model: str, domain: list[Any], fields: list[str]) -> list[dict[str, Any]]:
        rows = await self._rpc.call(
            f"look up {model}", f"model.{model}.search_read", domain, 0, None, None, fields, writes=False
        )
        if not isinstance(rows, list):
            raise ContractBroken(SYSTEM, f"look up {model}", "the answer is no list", str(rows))
        return rows

    async def _products(self, codes: list[str]) -> dict[str, ProductReference]:
        domain = [["code", "in", codes], ["salable", "=", True]]
        rows = await self._read("product.product", domain, ["code", "sale_uom", "type"])
        return {
            row["code"]: ProductReference(id=row["id"], unit=row["sale_uom"], ships=row["type"] in SHIPPABLE)
            for row in rows
        }

    async def _taxes(self, codes: list[str]) -> dict[str, LineTax]:
        # A tax with children or one that changes the price for the next is more than the arithmetic here knows.
        domain = [
            ["description", "in", codes],
            ["type", "in", ["percentage", "fixed"]],
            ["childs", "=", None],
            ["parent", "=", None],
            ["update_unit_price", "=", False],
        ]
        rows = await self._read("account.tax", domain, ["description", "type", "rate", "amount", "sequence"])
        taxes = [TaxRecord.model_validate(row).line_tax() for row in rows]
        # The fixed cent is looked up by its own code, a percentage by its own: neither may stand in for the other.
        fitting = [tax for tax in taxes if (tax.amount is not None) == tax.code.endswith(ROUNDING_SUFFIX)]
        return {tax.code: tax for tax in fitting}

    async def _warehouses(self, codes: list[str]) -> dict[str, WarehouseReference]:
        domain = [["type", "=", "warehouse"], ["code", "in", codes]]
        fields = ["code", "input_location", "storage_location", "picking_location", "output_location"]
        return {
            row["code"]: WarehouseReference(
                id=row["id"],
                storage=row["picking_location"] or row["storage_location"],
                output=row["output_location"],
                input=row["input_location"],
                shelf=row["storage_location"],
            )
            for row in await self._read("stock.location", domain, fields)
        }

    async def _shops(self, names: list[str]) -> dict[str, Shop]:
        fields = ["name", "company", "currency.code", "currency.rounding"]
        shops = {}
        for row in await self._read("web.shop", [["name", "in", names]], fields):
            currency = CurrencyRecord.model_validate(row["currency."])
            record = _ShopRecord.model_validate(row)
            shops[row["name"]] = Shop(
                id=record.id,
                company=record.company,
                currency=currency.id,
                currency_code=currency.code,
                step=currency.rounding,
            )
        return shops

    async def _carriers(self, codes: list[str]) -> dict[str, int]:
        rows = await self._read("carrier", [["party.code", "in", codes]], ["party.code"])
        return {row["party."]["code"]: row["id"] for row in rows}

    async def _price_lists(self, names: list[str]) -> dict[str, int]:
        rows = await self._read("product.price_list", [["name", "in", names]], ["name"])
        return {row["name"]: row["id"] for row in rows}

    async def _countries(self, codes: list[str]) -> dict[str, int]:
        rows = await self._read("country.country", [["code", "in", codes]], ["code"])
        return {row["code"]: row["id"] for row in rows}


_WHERE: Final = {
    "product": "a product for sale with this code",
    "tax": "a percentage tax without children with this description",
    "warehouse": "a warehouse with this code",
    "carrier": "a carrier whose party has this code",
    "price_list": "a price list of this name",
    "shop": "a web shop of this name",
    "country": "a country with this code",
}


def _remedy(kind: str, codes: list[str]) -> str:
    named = ", ".join(codes)
    return f"the ERP has no {kind.replace('_', ' ')} {named}; add {_WHERE[kind]}, or change the mapping, then resubmit"


def _unknown(cause: str, reason: str) -> Rejected:
    return Rejected(SYSTEM, "enter the order", reason, cause)
