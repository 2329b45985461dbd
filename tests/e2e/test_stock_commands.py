"""``orderwright stock`` against a real Temporal server, a real worker that tells stock, and both systems in memory."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.memory.world import erp_at, storefront_at
from domain.order import OrderKey
from tests.deployment import Deployment
from tests.order_builder import MAPPING_FILE, make_line, make_order
from workflows.standing import STOCK_FEED_ID, stock_pusher_id

MUG, HERE = "MUG-LOGO", "101"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("stock")
    mapping = folder / "told.toml"
    mapping.write_text(MAPPING_FILE.read_text(encoding="utf-8") + "\n[stock]\npush = true\nsafety = 2\n")
    built = Deployment(folder, mapping=str(mapping))
    erp_at(built.world).stock["WH-EAST", MUG] = 12
    storefront_at(built.world, "shop").shelf.stock(MUG, HERE, 20)
    with built:
        yield built


def until(what: Callable[[], Any], seconds: float = 150) -> Any:
    for _ in range(int(seconds / 0.2)):
        if found := what():
            return found
        threading.Event().wait(0.2)
    raise AssertionError(f"{what()!r} after {seconds:.0f} s")


def until_shown(deployment: Deployment, *allowed: int) -> None:
    """Wait for what the storefront shows. Should it not come, what the workflows of stock are at tells why."""
    try:
        until(lambda: shown(deployment) in allowed)
    except AssertionError:
        at = [deployment.working_at(each) for each in (STOCK_FEED_ID, stock_pusher_id("shop", 0))]
        why = deployment.call("stock", "why", MUG, "--json", expect=None).output
        raise AssertionError(f"{shown(deployment)} shown, not one of {allowed}; {why}; {at}") from None


def shown(deployment: Deployment) -> int:
    return storefront_at(deployment.world, "shop").shelf.available[MUG, HERE]


def test_why_tells_each_number_with_its_source_and_the_orders_in_flight(deployment: Deployment) -> None:
    until_shown(deployment, 10)
    erp_at(deployment.world).forbid_product(MUG)
    key = OrderKey(channel="shop", external_id="8801")
    lines = (make_line("1", MUG, 3),)
    deployment.place(make_order(key=key, number="#8801", lines=lines, placed_at=datetime.now(UTC)))
    (why,) = until(lambda: [each for each in deployment.ask("stock", "why", MUG) if each["in_flight"]])
    assert why["decision"]["available"] == 7
    assert why["in_flight"][0]["number"] == "#8801"
    told = deployment.call("stock", "why", MUG).stdout
    for words in ("on hand", "+12", "in flight", "-3", "safety stock", "#8801", "not in the ERP yet"):
        assert words in told
    assert shown(deployment) == 7, "the storefront took them off itself, and nothing gave them back"


def test_a_sku_that_nobody_shows_is_told_so(deployment: Deployment) -> None:
    answer = deployment.call("stock", "why", "NO-SUCH", expect=1)
    assert "has shown a SKU 'NO-SUCH' yet" in answer.stderr


def test_compare_says_what_it_found(deployment: Deployment) -> None:
    until_shown(deployment, *range(11))
    assert "shop" in deployment.call("stock", "compare", "shop").stdout


def test_drift_lists_what_was_shown_too_long_and_draws_it(deployment: Deployment, tmp_path: Path) -> None:
    until_shown(deployment, *range(11))
    erp_at(deployment.world).stock["WH-EAST", MUG] = 5
    lines = until(
        lambda: [
            each for each in deployment.ask("stock", "drift") if each["sku"] == MUG and not each["lasts"]
        ]
    )
    assert lines[0]["location"] == HERE
    assert lines[0]["most"] >= 2
    picture = tmp_path / "drift.svg"
    said = deployment.call("stock", "drift", "--sku", MUG, "--plot", str(picture)).stdout
    drawn = tmp_path / f"drift-shop-{HERE}.svg"
    assert str(drawn) in said.replace("\n", "")
    assert "polyline" in drawn.read_text(encoding="utf-8")
    assert "go together" in deployment.call("stock", "drift", "--sku", MUG, expect=1).stderr


def test_a_channel_that_is_told_nothing_is_named_with_the_remedy(
    deployment: Deployment, tmp_path: Path
) -> None:
    silent = tmp_path / "env"
    env = deployment.env_file.read_text().replace(str(deployment.folder / "told.toml"), "shopify-tryton")
    silent.write_text(env)
    before, deployment.env_file = deployment.env_file, silent
    try:
        answer = deployment.call("stock", "why", MUG, expect=1)
    finally:
        deployment.env_file = before
    assert "set push = true in [stock]" in answer.stderr
