"""``orderwright status`` and what ``order show`` says of an outage, against a real server and worker."""

import threading
from collections.abc import Callable, Iterator

import pytest

from adapters.memory.world import erp_at
from domain.order import OrderKey
from tests.deployment import Deployment
from tests.order_builder import make_order


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("status")) as deployment:
        yield deployment


def until(deployment: Deployment, condition: Callable[[dict], bool]) -> dict:
    """The status that fits; fails with the last one."""
    for _ in range(200):
        told = deployment.ask("status")
        if condition(told):
            return told
        threading.Event().wait(0.1)
    raise AssertionError(told)


def systems(told: dict) -> dict[str, dict]:
    return {system["system"]: system for system in told["systems"]}


def test_when_all_is_well_every_system_is_up_and_polled(deployment):
    told = until(deployment, lambda t: all(s["polled"] for s in t["systems"]))
    assert set(systems(told)) == {"erp", "shop"}
    assert not any(system["away"] for system in told["systems"])
    assert told["temporal"] == ""
    assert deployment.call("status", "--check").stdout.count(" up ") == 2


def test_an_outage_is_told_with_what_waits_for_it_and_ends_by_itself(deployment):
    erp = erp_at(deployment.world)
    erp.faults.unavailable("erp.*")
    try:
        until(deployment, lambda t: systems(t)["erp"]["away"])
        keys = [deployment.place(make_order(str(number))) for number in range(8001, 8006)]
        told = until(deployment, lambda t: systems(t)["erp"]["waiting_steps"] >= len(keys))
        assert not systems(told)["shop"]["away"]
        assert told["orders"]["received"] == len(keys)
        shown = deployment.call("status", "--check", expect=1).stdout
        assert "AWAY" in shown
        assert "the ERP is away since" in shown
        waiting = deployment.ask("order", "show", str(keys[0]))["view"]["waiting_for"]
        assert waiting.startswith(
            "entering the order in the ERP; tried again until it answers; the ERP is away"
        )
    finally:
        erp.faults.lift()
    until(deployment, lambda t: not systems(t)["erp"]["away"])
    for key in keys:
        deployment.until(key, "submitted")


def test_an_order_of_a_channel_that_nobody_serves_is_told(deployment):
    """The channel was taken out of the settings while an order of it was on its way."""
    key = OrderKey(channel="outlet", external_id="9001")
    order = make_order(key=key)
    deployment.place(order)
    told = deployment.ask("order", "show", str(key))["view"]
    assert told["waits_on"] == "outlet"
    shown = deployment.call("order", "show", str(key)).stdout
    assert "channel outlet is not set up here" in " ".join(shown.split())
