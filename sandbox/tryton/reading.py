"""What the ERP holds of one order, read over its own interface: the demo's audit trusts this, not the application."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sandbox.catalog import ADJUSTMENT_PRODUCT
from sandbox.tryton.rpc import Rpc

_BESIDE: Final = ("%/exchange/%", "%/supplement/%")
ROUNDING_SUFFIX: Final = "-ROUNDING"


@dataclass(frozen=True)
class ShipmentReading:
    """A shipment of a sale; ``quantities`` counts units by product code, kits by their components."""

    shipment_id: int
    number: str
    state: str
    """Tryton's word: draft, waiting, assigned, picked, packed, shipped, done, cancelled."""
    warehouse: str
    carrier: str | None
    tracking_number: str | None
    quantities: dict[str, int]
    of_kits: dict[str, int] = field(default_factory=dict)
    """Those among them that are pieces of kits."""


@dataclass(frozen=True)
class InvoiceReading:
    """An invoice of a sale, amounts in the sale's currency."""

    invoice_id: int
    number: str | None
    state: str
    total: Decimal


_PIECES: Final = "Pieces of a kit, worth "


@dataclass(frozen=True)
class CreditReading:
    """A sale below zero that gives back what came back; amounts are above zero in the buyer's favor."""

    number: str | None
    state: str
    given_back: Decimal
    """Before the fee is taken off."""
    fee: Decimal
    """With what is held back for kits that came back in part."""
    taxes: dict[str, Decimal]
    """By tax code, as credited, and what is held back of it for kits that came back in part."""
    invoices: tuple[InvoiceReading, ...] = ()


@dataclass(frozen=True)
class SaleReading:
    """A sale as the ERP holds it, amounts in ``currency``."""

    sale_id: int
    number: str | None
    reference: str | None
    state: str
    """Tryton's word: draft, quotation, confirmed, processing, done, cancelled."""
    shipment_state: str
    invoice_state: str
    currency: str
    party: str | None
    untaxed: Decimal
    tax: Decimal
    total: Decimal
    taxes: dict[str, Decimal]
    """By tax code, as invoiced, rounding cents counted with their tax; empty while there is no invoice."""
    shipments: tuple[ShipmentReading, ...] = ()
    invoices: tuple[InvoiceReading, ...] = ()
    ordered: dict[str, int] = field(default_factory=dict)
    """Units by product code as sold: kits whole, the rounding line left out."""
    credits: tuple[CreditReading, ...] = ()
    beside: tuple["SaleReading", ...] = ()
    """Sales for what the buyer gets for goods that come back, and for what edits added."""
    adjusted: Decimal = Decimal(0)
    """What its lines of the product for adjustments come to."""

    @property
    def invoiced(self) -> Decimal:
        """Total of all invoices that count, less credit notes."""
        bills = [*self.invoices, *(each for credit in self.credits for each in credit.invoices)]
        own = sum((i.total for i in bills if i.state != "cancelled"), Decimal(0))
        return sum((each.invoiced for each in self.beside), own)

    @property
    def canceled(self) -> bool:
        """Nothing of it lives. Tryton ends a sale as *done* where it went on, and all that came of it was canceled."""
        came_of_it = {each.state for each in self.shipments} | {each.state for each in self.invoices}
        return self.state == "cancelled" or (self.state == "done" and came_of_it == {"cancelled"})


class Reader:
    """Reads sales of one web shop through a login of its own."""

    def __init__(self, rpc: Rpc, channel: str, rounding_product: str) -> None:
        self._rpc = rpc
        self._channel = channel
        self._rounding_product = rounding_product

    async def count_sales(self, web_id: str, reference: str | None = None) -> int:
        """How many sales there are of one order; more than one is a duplicate.

        ``reference`` (the store's order number) also finds a duplicate that lost its web id.
        """
        domain: list[Any] = self._of(web_id)
        if reference is not None:
            domain = ["OR", domain, ["reference", "=", reference]]
        return int(await self._rpc.call("sale.sale", "search_count", domain))

    async def read_sale(self, web_id: str) -> SaleReading | None:
        """The sale of one order with its shipments, invoices, credits and the sales beside it, or None."""
        sales = await self._rpc.find(
            "sale.sale",
            self._of(web_id),
            [
                "number",
                "reference",
                "state",
                "shipment_state",
                "invoice_state",
                "currency.code",
                "party.code",
                "untaxed_amount",
                "tax_amount",
                "total_amount",
                "shipments",
                "invoices",
                "lines",
            ],
        )
        if not sales:
            return None
        (sale,) = sales
        lines = await self._rpc.read(
            "sale.line", sale["lines"], ["type", "product.code", "quantity", "amount"]
        )
        ordered: Counter[str] = Counter()
        for line in lines:
            if (
                line["type"] == "line"
                and line["product."]
                and line["product."]["code"] != self._rounding_product
            ):
                ordered[line["product."]["code"]] += int(line["quantity"])
        return SaleReading(
            sale_id=sale["id"],
            number=sale["number"],
            reference=sale["reference"],
            state=sale["state"],
            shipment_state=sale["shipment_state"],
            invoice_state=sale["invoice_state"],
            currency=sale["currency."]["code"],
            party=sale["party."]["code"],
            untaxed=sale["untaxed_amount"],
            tax=sale["tax_amount"],
            total=sale["total_amount"],
            taxes=await self._taxes(sale["invoices"]),
            shipments=await self.read_shipments(sale["shipments"]),
            invoices=await self._invoices(sale["invoices"]),
            ordered=dict(ordered),
            credits=await self._credits(sale["id"]),
            beside=await self._beside(sale["id"]),
            adjusted=sum(
                (
                    line["amount"]
                    for line in lines
                    if line["product."] and line["product."]["code"] == ADJUSTMENT_PRODUCT
                ),
                Decimal(0),
            ),
        )

    async def read_shipments(self, ids: list[int]) -> tuple[ShipmentReading, ...]:
        """Shipments by id, counting what leaves the house."""
        if not ids:
            return ()
        shipments = await self._rpc.read(
            "stock.shipment.out",
            ids,
            ["number", "state", "warehouse.code", "carrier.party", "reference", "outgoing_moves"],
        )
        carriers = await self._carrier_codes(
            [each["carrier."]["party"] for each in shipments if each["carrier."]]
        )
        moves = await self._rpc.read(
            "stock.move",
            [move for each in shipments for move in each["outgoing_moves"]],
            ["product.code", "quantity", "state", "origin"],
        )
        by_id = {move["id"]: move for move in moves}
        found = []
        for each in shipments:
            quantities: Counter[str] = Counter()
            of_kits: Counter[str] = Counter()
            for move in (by_id[move] for move in each["outgoing_moves"]):
                if move["state"] != "cancelled":
                    quantities[move["product."]["code"]] += int(move["quantity"])
                    if str(move["origin"]).startswith("sale.line.component,"):
                        of_kits[move["product."]["code"]] += int(move["quantity"])
            found.append(
                ShipmentReading(
                    shipment_id=each["id"],
                    number=each["number"] or "",
                    state=each["state"],
                    warehouse=each["warehouse."]["code"],
                    carrier=carriers[each["carrier."]["party"]] if each["carrier."] else None,
                    tracking_number=each["reference"],
                    quantities=dict(quantities),
                    of_kits=dict(of_kits),
                )
            )
        return tuple(found)

    async def _credits(self, sale: int) -> tuple[CreditReading, ...]:
        domain = [
            ["origin", "=", f"sale.sale,{sale}"],
            ["web_shop", "!=", None],
            *(["web_id", "not like", kind] for kind in _BESIDE),
            ["state", "!=", "cancelled"],
        ]
        found = []
        for each in await self._rpc.find(
            "sale.sale", domain, ["number", "state", "total_amount", "invoices"]
        ):
            # Of all that a credit holds, the fee alone is charged, and what kits lack that came back in part.
            lines = await self._rpc.find(
                "sale.line", [["sale", "=", each["id"]]], ["amount", "quantity", "unit_price", "note"]
            )
            kept = _kept(lines)
            fee = sum(kept.values(), Decimal(0)) + sum(
                line["amount"]
                for line in lines
                if line["quantity"] > 0 and line["unit_price"] > 0 and _PIECES not in (line["note"] or "")
            )
            taxes = {code: -amount for code, amount in (await self._taxes(each["invoices"])).items()}
            for code, amount in kept.items():
                if code:
                    taxes[code] = taxes.get(code, Decimal(0)) + amount
            found.append(
                CreditReading(
                    number=each["number"],
                    state=each["state"],
                    given_back=fee - each["total_amount"],
                    fee=fee,
                    taxes=taxes,
                    invoices=await self._invoices(each["invoices"]),
                )
            )
        return tuple(found)

    async def _beside(self, sale: int) -> tuple[SaleReading, ...]:
        kinds = ["OR", *(["web_id", "like", kind] for kind in _BESIDE)]
        domain = [["origin", "=", f"sale.sale,{sale}"], kinds, ["state", "!=", "cancelled"]]
        rows = await self._rpc.find("sale.sale", domain, ["web_id"])
        found = [await self.read_sale(row["web_id"]) for row in rows]
        return tuple(each for each in found if each is not None)

    async def _carrier_codes(self, parties: list[int]) -> dict[int, str]:
        found = await self._rpc.read("party.party", sorted(set(parties)), ["code"])
        return {party["id"]: party["code"] for party in found}

    async def _invoices(self, ids: list[int]) -> tuple[InvoiceReading, ...]:
        found = await self._rpc.read("account.invoice", ids, ["number", "state", "total_amount"])
        return tuple(InvoiceReading(i["id"], i["number"], i["state"], i["total_amount"]) for i in found)

    async def _taxes(self, invoices: list[int]) -> dict[str, Decimal]:
        amounts: dict[str, Decimal] = {}
        domain = [["invoice", "in", invoices], ["invoice.state", "!=", "cancelled"]]
        for line in await self._rpc.find("account.invoice.tax", domain, ["amount", "tax.description"]):
            code = line["tax."]["description"].removesuffix(ROUNDING_SUFFIX)
            amounts[code] = amounts.get(code, Decimal(0)) + line["amount"]
        return amounts

    def _of(self, web_id: str) -> list[Any]:
        return [["web_shop.name", "=", self._channel], ["web_id", "=", web_id]]


def _kept(lines: list[dict[str, Any]]) -> dict[str, Decimal]:
    """What is held back for pieces of kits, less what is given back: by tax code, and without tax under no code."""
    notes: dict[str, int] = {}
    for line in lines:
        if _PIECES in (line["note"] or ""):
            notes[line["note"]] = 1 if line["quantity"] > 0 else -1
    kept: dict[str, Decimal] = {}
    for note, sign in notes.items():
        net, *taxes = note.partition(_PIECES)[2].split("; ")
        for code, amount in [("", net), *(tax.rpartition("=")[::2] for tax in taxes)]:
            kept[code] = kept.get(code, Decimal(0)) + sign * Decimal(amount)
    return kept
