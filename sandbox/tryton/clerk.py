"""The back office of the ERP, scripted: posts and pays invoices, closes periods, tends catalogue and customers."""

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.tryton.rpc import Rpc


def of_orders(web_ids: Collection[str]) -> list[Any]:
    """The sales of these orders, and those beside them: for exchanges, and for what edits added."""
    beside = [
        ["web_id", "like", f"{x}/{kind}/%"] for x in sorted(web_ids) for kind in ("exchange", "supplement")
    ]
    return ["OR", ["web_id", "in", sorted(web_ids)], *beside]


class Clerk:
    """Works with somebody's login, on the orders of one channel."""

    def __init__(self, rpc: Rpc, channel: str) -> None:
        self._rpc = rpc
        self._channel = channel

    async def post_invoices(self, web_id: str) -> tuple[str, ...]:
        """Post the drafts among an order's invoices; returns the numbers they got."""
        drafts = await self._invoices(web_id, "draft")
        if not drafts:
            return ()
        await self._rpc.press("account.invoice", "post", drafts)
        return tuple([each["number"] for each in await self._rpc.read("account.invoice", drafts, ["number"])])

    async def pay_invoices(self, web_id: str, method: str = "Card") -> Decimal:
        """Pay the posted ones in full by the named method; returns the sum paid."""
        paid = Decimal(0)
        for invoice in await self._invoices(web_id, "posted"):
            paid += await self._pay(invoice, method)
        return paid

    async def copy_sale(self, web_id: str) -> str:
        """Enter an order once more under the store's number, and quote it; returns the number of the copy.

        *Duplicate* in the client drops web shop, web id and reference: the last is what people type in again.
        """
        domain = [["web_shop.name", "=", self._channel], ["web_id", "=", web_id]]
        (sale,) = await self._rpc.find("sale.sale", domain, ["reference"])
        typed = {"reference": sale["reference"]}
        (copy,) = await self._rpc.call("sale.sale", "copy", [sale["id"]], typed)
        await self._rpc.call("sale.sale", "quote", [copy])
        (made,) = await self._rpc.read("sale.sale", [copy], ["number"])
        return str(made["number"])

    async def close_period(self) -> str:
        """Close the accounting period of today, so that nothing can be posted in it; returns its name."""
        period = await self._period()
        await self._rpc.press("account.period", "close", [period["id"]])
        return str(period["name"])

    async def reopen_period(self) -> str:
        """Open it again, and the journals that were closed with it."""
        period = await self._period()
        await self._rpc.press("account.period", "reopen", [period["id"]])
        domain = [["period", "=", period["id"]], ["state", "=", "closed"]]
        if journals := await self._rpc.find("account.journal.period", domain, ["id"]):
            await self._rpc.press("account.journal.period", "reopen", [each["id"] for each in journals])
        return str(period["name"])

    async def archive_product(self, code: str) -> None:
        """Take a product out of the catalogue: no new sale finds it. Raises LookupError where there is none."""
        await self._set_active(code, active=False)

    async def restore_product(self, code: str) -> None:
        """Put it back."""
        await self._set_active(code, active=True)

    async def replace_party(self, code: str, by: str) -> None:
        """Merge two customers by Tryton's *Replace Party*: whoever has ``code`` becomes whoever has ``by``."""
        ask = {"source": await self._party(code), "destination": await self._party(by)}
        name = "party.replace"
        session, *_ = await self._rpc.call(name, "create", kind="wizard")
        # Tryton warns where the two have different names.
        await self._rpc.call_minding_warnings(
            name, "execute", session, {"ask": ask}, "replace", kind="wizard"
        )
        await self._rpc.call(name, "delete", session, kind="wizard")

    async def archive_party(self, code: str) -> None:
        """Deactivate a customer: nobody finds them any more. Raises LookupError where there is none."""
        await self._rpc.call("party.party", "write", [await self._party(code)], {"active": False})

    async def restore_party(self, code: str) -> None:
        """Activate them again."""
        await self._rpc.call("party.party", "write", [await self._party(code)], {"active": True})

    async def _party(self, code: str) -> int:
        domain = [["code", "=", code], ["active", "in", [True, False]]]
        found = await self._rpc.find("party.party", domain, ["id"])
        if not found:
            raise LookupError(f"the ERP has no party {code}")
        return int(found[0]["id"])

    async def _invoices(self, web_id: str, state: str) -> list[int]:
        domain = [["web_shop.name", "=", self._channel], of_orders([web_id])]
        sales = await self._rpc.find("sale.sale", domain, ["invoices"])
        ids = [invoice for sale in sales for invoice in sale["invoices"]]
        found = await self._rpc.read("account.invoice", ids, ["state"]) if ids else []
        return [each["id"] for each in found if each["state"] == state]

    async def _pay(self, invoice: int, method: str) -> Decimal:
        (found,) = await self._rpc.read(
            "account.invoice",
            [invoice],
            ["party", "currency", "company", "account", "amount_to_pay", "number"],
        )
        (way,) = await self._rpc.find("account.invoice.payment.method", [["name", "=", method]], ["id"])
        start = {
            "payee": found["party"],
            "amount": found["amount_to_pay"],
            "currency": found["currency"],
            "date": datetime.now(UTC).date(),
            "payment_method": way["id"],
            "company": found["company"],
            "invoice_account": found["account"],
            "description": found["number"],
        }
        about = {"active_model": "account.invoice", "active_id": invoice, "active_ids": [invoice]}
        name = "account.invoice.pay"
        session, first, _ = await self._rpc.call(name, "create", kind="wizard")
        await self._rpc.call(name, "execute", session, {}, first, kind="wizard", **about)
        await self._rpc.call(name, "execute", session, {"start": start}, "choice", kind="wizard", **about)
        await self._rpc.call(name, "delete", session, kind="wizard")
        return Decimal(found["amount_to_pay"])

    async def _period(self) -> dict[str, Any]:
        today = datetime.now(UTC).date()
        domain = [["type", "=", "standard"], ["start_date", "<=", today], ["end_date", ">=", today]]
        (period,) = await self._rpc.find("account.period", domain, ["name"])
        return dict(period)

    async def _set_active(self, code: str, *, active: bool) -> None:
        domain = [["code", "=", code], ["active", "in", [True, False]]]
        found = await self._rpc.find("product.product", domain, ["template"])
        if not found:
            raise LookupError(f"the ERP has no product {code}")
        # Tryton warns of the stock that is left.
        for model, ids in (
            ("product.template", [each["template"] for each in found]),
            ("product.product", [each["id"] for each in found]),
        ):
            await self._rpc.call_minding_warnings(model, "write", ids, {"active": active})
