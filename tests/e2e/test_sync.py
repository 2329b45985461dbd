"""``orderwright sync`` against a real Temporal server, a real worker, and both systems in memory."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory.world import erp_at, storefront_at
from domain.order import OrderKey
from tests.deployment import Deployment
from tests.order_builder import make_order


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("sync")) as deployment:
        _the_first_sweep_is_over(deployment)
        yield deployment


def _the_first_sweep_is_over(deployment: Deployment) -> None:
    """The worker's own schedule has run; from then on only the tests sweep."""
    for _ in range(100):
        (channel,) = deployment.ask("sync", "certificate")
        if channel["certificates"]:
            break
        threading.Event().wait(0.1)
    else:
        raise AssertionError("the worker did not sweep")

    async def pause() -> None:
        await deployment.client.get_schedule_handle("sweep:shop").pause()

    deployment.inside(pause)


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_a_missed_order_is_repaired_and_a_duplicate_is_named_with_what_to_do(deployment):
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    told = make_order("9101", placed_at=an_hour_ago)
    missed = make_order("9102", placed_at=an_hour_ago)
    deployment.place(told)
    deployment.until(told.key, "submitted")

    async def place_unheard() -> None:
        storefront_at(deployment.world, "shop").place(missed)

    deployment.inside(place_unheard)
    printed = words(deployment.call("sync", "run", "--hours", "2").stdout)
    assert "2 placed, 1 in the ERP, 1 missed webhook (repaired), 0 unexplained" in printed
    assert "shop:9102 #9102 missed webhook" in printed
    assert "nothing: its workflow was started or woken" in printed
    deployment.until(missed.key, "submitted")
    copy = erp_at(deployment.world).enter_by_hand("#9101")
    result = deployment.ask("sync", "run", "--channel", "shop", "--hours", "2", expect=1)
    (channel,) = result
    assert channel["unexplained"] == 1
    orders, shipments = channel["certificates"]
    assert orders["sentence"] == "2 placed, 1 in the ERP, 1 unexplained"
    assert shipments["sentence"] == "0 shipped, 0 told to the storefront, 0 unexplained"
    (finding,) = orders["tally"]["findings"]
    assert copy.number in finding["sentence"]
    shown = words(deployment.call("sync", "certificate", expect=1).stdout)
    assert "twice in the ERP" in shown
    assert "Cancel the one that is wrong in the ERP" in shown
    erp_at(deployment.world).cancel_by_hand(copy)
    again = deployment.call("sync", "run").stdout
    assert "0 unexplained" in again
    assert "Named orders" not in again


def test_a_channel_that_is_not_there_is_refused_with_the_remedy(deployment):
    refused = deployment.call("sync", "run", "--channel", "outlet", expect=2)
    assert "there is no channel 'outlet'" in refused.stderr
    assert OrderKey(channel="shop", external_id="9101") in erp_at(deployment.world).orders
