"""One sale that cannot be read is told apart from the others."""

from typing import Any

import pytest

from adapters.errors import ContractBroken
from adapters.tryton.sales import Sales
from domain.order import OrderKey
from tests.unit.test_tryton_rpc import FakeTryton, connect


async def test_a_record_that_does_not_fit_is_told_by_its_order() -> None:
    broken: dict[str, Any] = {"id": 7, "web_id": "5001", "web_shop.": {"id": 1, "name": "shop"}}
    rpc = connect(FakeTryton(lambda _method, _params: [broken]))
    found, unreadable = await Sales(rpc).get_many([7])
    await rpc.close()
    assert found == []
    ((key, reason),) = [(each.key, each.reason) for each in unreadable]
    assert key == OrderKey(channel="shop", external_id="5001")
    assert "state" in reason


async def test_a_record_that_does_not_even_name_its_order_breaks_the_contract() -> None:
    rpc = connect(FakeTryton(lambda _method, _params: [{"id": 7}]))
    with pytest.raises(ContractBroken):
        await Sales(rpc).get_many([7])
    await rpc.close()
