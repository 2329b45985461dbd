"""Whom Tryton's people made of a buyer: merged parties, also in a circle, and one that is merely not active."""

from typing import Any

import pytest

from adapters.errors import Rejected
from adapters.tryton.parties import PartyBook
from adapters.tryton.references import ReferenceBook
from adapters.tryton.translate import PartyReference
from domain.erp_order import SalesParty
from tests.contract.tryton_world import order_of
from tests.unit.test_tryton_rpc import FakeTryton, connect

ADDRESS = {"party_name": "Ada Byron"}
BUYER = SalesParty(code="C-1", reference="x", name="Ada Byron")


def party(number: int, replaced_by: int | None = None, *, active: bool = False) -> dict[str, Any]:
    """One that has an address of before it was merged, and one since."""
    addresses = [
        {"id": 10 * number, "active": False, **ADDRESS},
        {"id": 10 * number + 1, "active": True, **ADDRESS},
    ]
    return {
        "id": number,
        "code": f"C-{number}",
        "active": active,
        "replaced_by": replaced_by,
        "addresses.": addresses,
    }


async def of_order(*parties: dict[str, Any]) -> PartyReference:
    def answer(method: str, params: list[Any]) -> Any:
        assert method == "model.party.party.search_read", "nothing is to be written"
        assert params[-1]["active_test"] is False
        [[field, _, wanted]] = params[0]
        return [each for each in parties if each[field] == wanted]

    rpc = connect(FakeTryton(answer))
    order = order_of(party=BUYER, shipping_address=None)
    try:
        return await PartyBook(rpc, ReferenceBook(rpc)).of_order(order)
    finally:
        await rpc.close()


async def test_whoever_replaced_a_party_is_found_at_the_end_of_the_chain() -> None:
    found = await of_order(party(1, 2), party(2, 3), party(3, active=True))
    assert (found.id, found.invoice_address, found.shipment_address) == (3, 31, 31)
    assert found.says(30, 31), "what a sale keeps of the party before says the same"
    assert not found.says(21, 31)


async def test_a_party_that_is_active_again_is_itself() -> None:
    assert (await of_order(party(1, 2, active=True), party(2, active=True))).id == 1


@pytest.mark.parametrize(
    ("parties", "named"),
    [
        ([party(1)], "C-1"),
        ([party(1, 2), party(2)], "C-2"),
        ([party(1, 1)], "C-1"),
        ([party(1, 2), party(2, 3), party(3, 2)], "C-3"),
    ],
    ids=["alone", "the last one", "by itself", "in a circle"],
)
async def test_one_that_is_not_active_is_named_with_the_remedy(
    parties: list[dict[str, Any]], named: str
) -> None:
    with pytest.raises(Rejected, match=f"party {named}.* is not active in the ERP; activate it") as caught:
        await of_order(*parties)
    assert caught.value.cause == f"party_inactive:tryton:{named}"
