"""Finds or makes the party that buys, and its addresses.

A B2B party is named by its code and only ever found. Anybody else is found or made under the code
``CHANNEL-REFERENCE`` (reference: the storefront's customer, or the order of a guest), which Tryton keeps unique.

Tryton's people may merge two parties (*Replace Party*): the one that is replaced keeps its code, is active no more and
says by whom. Its addresses become the other's, inactive, and its sales keep them. Whoever replaced a party is it.
"""

import re
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.errors import ContractBroken, Rejected
from adapters.tryton.records import CodeRecord
from adapters.tryton.references import ReferenceBook
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.stock_records import ALL_RECORDS
from adapters.tryton.translate import PartyReference
from domain.erp_order import SalesOrder
from domain.order import Address

_INTERNATIONAL_PHONE: Final = re.compile(r"\+\d{7,15}")
_ADDRESS: Final = (
    "party_name",
    "attn",
    "street_unstructured",
    "postal_code",
    "city",
    "country.code",
    "subdivision",
)
_FIELDS: Final = [
    *("code", "active", "replaced_by", "customer_payment_term", "addresses.active"),
    *(f"addresses.{field}" for field in _ADDRESS),
]


class _AddressRecord(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: int
    active: bool
    party_name: str | None = None
    attn: str | None = None
    street_unstructured: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: CodeRecord | None = Field(default=None, alias="country.")
    subdivision: int | None = None

    def holds(self, values: dict[str, Any]) -> bool:
        """Whether this is the address that ``values`` would make."""
        mine = {
            **self.model_dump(exclude={"id", "active", "country"}),
            "country": self.country.id if self.country else None,
        }
        return all((mine[name] or None) == (value or None) for name, value in values.items())


class _PartyRecord(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: int
    code: str
    active: bool
    replaced_by: int | None = None
    customer_payment_term: int | None = None
    addresses: tuple[_AddressRecord, ...] = Field(default=(), alias="addresses.")

    def address(self, values: dict[str, Any]) -> int | None:
        """The id of an address that holds these values and may be used."""
        return next((each.id for each in self.addresses if each.active and each.holds(values)), None)

    def alike(self, values: dict[str, Any]) -> frozenset[int]:
        """The ids of all addresses that hold these values, also of those that no new sale may use."""
        return frozenset(each.id for each in self.addresses if each.holds(values))


class PartyBook:
    """Parties and addresses of one Tryton."""

    def __init__(self, rpc: TrytonRpc, references: ReferenceBook) -> None:
        self._rpc = rpc
        self._references = references

    async def of_order(self, order: SalesOrder) -> PartyReference:
        """Find or make the order's party and addresses.

        Raises Rejected with cause ``party_unknown`` or, where a person deactivated it, ``party_inactive``.
        """
        billing = await self._address(order.billing_address or order.shipping_address, order)
        shipping = await self._address(order.shipping_address or order.billing_address, order)
        if order.party.code is not None:
            party = await self._find(order.party.code)
            if party is None:
                raise Rejected(
                    SYSTEM,
                    "find party",
                    f"the ERP has no party {order.party.code}; add it or change the mapping's companies, then resubmit",
                    f"party_unknown:{SYSTEM}:{order.party.code}",
                )
        else:
            code = party_code(order)
            party = await self._find(code) or await self._make(code, order, [billing, shipping])
        missing = [values for values in _distinct([billing, shipping]) if party.address(values) is None]
        if missing:
            await self._rpc.call(
                "create address",
                "model.party.address.create",
                [{**values, "party": party.id} for values in missing],
                writes=True,
            )
            party = await self._find(order.party.code or party_code(order)) or party
        invoice_address, shipment_address = party.address(billing), party.address(shipping)
        if invoice_address is None or shipment_address is None:
            raise ContractBroken(
                SYSTEM, "find address", f"party {party.id} lacks the address that was made for it", str(party)
            )
        return PartyReference(
            id=party.id,
            invoice_address=invoice_address,
            shipment_address=shipment_address,
            payment_term=party.customer_payment_term,
            invoice_alike=party.alike(billing),
            shipment_alike=party.alike(shipping),
        )

    async def _find(self, code: str) -> _PartyRecord | None:
        """The party of this code, or whoever replaced it. Raises Rejected with cause ``party_inactive``."""
        party = await self._read(["code", "=", code])
        seen: set[int] = set()
        while party is not None and not party.active:
            seen.add(party.id)
            # People may have merged parties in a circle.
            if party.replaced_by is None or party.replaced_by in seen:
                raise _inactive(party.code, code)
            party = await self._read(["id", "=", party.replaced_by])
        return party

    async def _read(self, clause: list[Any]) -> _PartyRecord | None:
        """The party that fits, and all of its addresses, whether they are active or not."""
        rows = await self._rpc.call(
            "find party",
            "model.party.party.search_read",
            [clause],
            0,
            1,
            None,
            _FIELDS,
            writes=False,
            context=ALL_RECORDS,
        )
        try:
            return _PartyRecord.model_validate(rows[0]) if rows else None
        except (ValidationError, KeyError, TypeError) as error:
            raise ContractBroken(
                SYSTEM, "find party", f"the party cannot be read ({error})", str(rows)
            ) from error

    async def _make(self, code: str, order: SalesOrder, addresses: list[dict[str, Any]]) -> _PartyRecord:
        """Make a party. Where Tryton refuses, it is there by now, or its email or phone is not to Tryton's taste."""
        refusal: Rejected | None = None
        for checked in (True, False):
            try:
                await self._create(code, order, addresses, checked=checked)
            except Rejected as error:
                refusal = refusal or error
            if party := await self._find(code):
                return party
        if refusal is not None:
            raise refusal
        raise ContractBroken(SYSTEM, "create party", f"party {code} was made and is not there")

    async def _create(
        self, code: str, order: SalesOrder, addresses: list[dict[str, Any]], *, checked: bool
    ) -> None:
        contacts = []
        if order.party.email:
            contacts.append({"type": "email" if checked else "other", "value": order.party.email})
        address = order.shipping_address or order.billing_address
        if address is not None and address.phone:
            phone = "".join(address.phone.split())
            international = checked and _INTERNATIONAL_PHONE.fullmatch(phone)
            contacts.append({"type": "phone" if international else "other", "value": address.phone})
        values = {
            "name": order.party.name,
            "code": code,
            "addresses": [["create", _distinct(addresses)]],
            "contact_mechanisms": [["create", contacts]] if contacts else [],
        }
        await self._rpc.call("create party", "model.party.party.create", [values], writes=True)

    async def _address(self, address: Address | None, order: SalesOrder) -> dict[str, Any]:
        """Values of an address; the state only where Tryton's list has it, otherwise beside the city."""
        if address is None:
            return {"party_name": order.party.name}
        subdivision = (
            await self._references.subdivision(address.country, address.state) if address.state else None
        )
        city = address.city
        if address.state and subdivision is None:
            city = f"{city}, {address.state}" if city else address.state
        return {
            "party_name": address.company or address.name,
            "attn": address.name if address.company else None,
            "street_unstructured": "\n".join(address.street) or None,
            "postal_code": address.postal_code or None,
            "city": city or None,
            "country": await self._references.country(address.country),
            "subdivision": subdivision,
        }


def _inactive(code: str, asked: str) -> Rejected:
    """Party ``code`` is not active; it is the one that was ``asked`` for, or the last of those that replaced it."""
    who = f"party {code}" if code == asked else f"party {code}, which replaced {asked},"
    return Rejected(
        SYSTEM,
        "find party",
        f"{who} is not active in the ERP; activate it again, or replace it by one that is, then resubmit",
        f"party_inactive:{SYSTEM}:{code}",
    )


def party_code(order: SalesOrder) -> str:
    """Under which code a buyer without a party of their own is kept."""
    return f"{order.key.channel}-{order.party.reference}"


def _distinct(addresses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [values for number, values in enumerate(addresses) if values not in addresses[:number]]
