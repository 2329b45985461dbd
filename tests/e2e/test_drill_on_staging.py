"""Drills on a staging: an embedded stack plays it, its buyers order as they like, and the drill only sets rules."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.registry import build_erp, build_storefront, build_webhook_reader
from config.mappings import load_mapping
from config.settings import Settings, load_settings
from domain.order import OrderKey
from domain.planning import plan_sales_order
from sandbox.addresses import CHANNEL
from sandbox.drills.carrying import small_orders
from sandbox.drills.drill import Wish
from sandbox.drills.staging_drills import STAGING_DRILLS, run_on_staging
from sandbox.failures import StagingRefused
from sandbox.faults.client import Faults
from sandbox.faults.rules import Fault, Rule
from sandbox.house import PLUS_PLAN, House, people_around
from sandbox.processes import free_port
from sandbox.stack import Stack
from tests.running_store import answers, until

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    stack = Stack(
        tmp_path_factory.mktemp("staging"), fresh=True, say=lambda _text: None, faults=True, memory_erp=0.05
    )
    async with stack, people_around(stack) as house:
        await house.store.set_throttle(PLUS_PLAN)
        reader = build_webhook_reader(CHANNEL, load_settings(stack.env_file))
        await house.store.turn_webhooks(topics=sorted(reader.topics))
        yield house


@pytest.fixture
def settings(house: House) -> Settings:
    return load_settings(house.stack.env_file)


@asynccontextmanager
async def buyers(house: House) -> AsyncIterator[list[str]]:
    """They order all along, one a second; the ids so far."""
    ids: list[str] = []

    async def order() -> None:
        while True:
            ids.extend(await house.place(small_orders(1)))
            await asyncio.sleep(1)

    ordering = asyncio.create_task(order())
    try:
        yield ids
    finally:
        ordering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ordering


async def drill(house: House, settings: Settings, name: str, directory: Path, *, minutes: float) -> dict:
    """Its report, as programs read it; the exit status and the last line have to fit."""
    said: list[str] = []
    drills = [STAGING_DRILLS[name]]
    control = house.stack.addresses.faults
    status = await run_on_staging(
        drills, Wish(minutes=minutes), settings, control, say=said.append, directory=directory
    )
    (written,) = (directory / "reports").glob("*.json")
    (report,) = json.loads(written.read_text(encoding="utf-8"))["drills"]
    assert (status, said[-1]) == ((0, "drill: 1 of 1 held") if report["held"] else (1, "drill: 0 of 1 held"))
    assert await rules_in_force(house) == 0
    return report


async def until_rules(house: House) -> None:
    async with asyncio.timeout(120):
        while not await rules_in_force(house):  # noqa: ASYNC110  they are in another process
            await asyncio.sleep(0.1)


async def rules_in_force(house: House) -> int:
    assert house.faults is not None
    return sum(len(proxy.rules) for proxy in await house.faults.proxies())


def claims(report: dict, *, held: bool) -> str:
    return "\n".join(f"{x['claim']}: {x['seen']}" for x in report["checks"] if x["held"] is held)


@pytest.mark.parametrize(
    "drilled",
    [
        ("erp-down", 0.6, "the ERP is asked at most once in 3 s"),
        pytest.param(
            ("storefront-down", 0.6, "the storefront shop is asked at most once in 3 s"),
            marks=pytest.mark.drill,
        ),
        ("lost-answers", 0.25, "calls went wrong indeed"),
        pytest.param(("expired-sessions", 0.25, "a session is renewed once"), marks=pytest.mark.drill),
        pytest.param(("throttle", 0.4, "the ERP is left alone for the 4 s"), marks=pytest.mark.drill),
    ],
)
async def test_every_drill_holds_while_buyers_order(
    house: House, settings: Settings, tmp_path: Path, drilled: tuple[str, float, str]
):
    name, minutes, claim = drilled
    async with buyers(house) as ids:
        report = await drill(house, settings, name, tmp_path, minutes=minutes)
    await house.until_entered(ids, within=60)
    assert report["held"], claims(report, held=False)
    assert claim in claims(report, held=True)
    assert report["ground"] == "your staging"
    assert 3 <= report["numbers"]["orders that came by"] <= len(ids)


async def test_a_drill_that_no_order_came_by_proves_nothing(house: House, settings: Settings, tmp_path: Path):
    report = await drill(house, settings, "erp-down", tmp_path, minutes=0.15)
    assert not report["held"]
    failed = claims(report, held=False)
    assert "no order came by: nothing is proved" in failed
    assert "no order waited: nothing is proved" in failed
    assert "0 unexplained" in claims(report, held=True)


async def test_what_nobody_can_explain_fails_the_drill_once(house: House, settings: Settings, tmp_path: Path):
    async def enter_what_nobody_ordered() -> None:
        await until_rules(house)
        (order_id,) = await house.place(small_orders(1))
        storefront = build_storefront(CHANNEL, settings)
        order = await storefront.read_order(order_id)
        await storefront.close()
        sale = plan_sales_order(order, load_mapping(settings.channel(CHANNEL).mapping))
        beside_the_proxy = settings.require_erp().model_copy(update={"url": house.stack.addresses.erp})
        erp = build_erp(settings.model_copy(update={"erp": beside_the_proxy}))
        await erp.submit_order(
            sale.model_copy(update={"key": OrderKey(channel=CHANNEL, external_id="777777")})
        )
        await erp.close()

    stranger = asyncio.create_task(enter_what_nobody_ordered())
    report = await drill(house, settings, "lost-answers", tmp_path / "first", minutes=0.2)
    await stranger
    failed = claims(report, held=False)
    assert "no order is lost" in failed
    assert "the storefront has no such order" in failed
    async with buyers(house):
        report = await drill(house, settings, "lost-answers", tmp_path / "second", minutes=0.1)
    assert report["held"], claims(report, held=False)
    assert "1 were unexplained before" in claims(report, held=True)


async def test_an_order_that_says_what_is_wrong_with_it_is_not_lost(
    house: House, settings: Settings, tmp_path: Path
):
    await house.office.hide_product("MUG-LOGO")
    try:
        async with buyers(house):
            report = await drill(house, settings, "lost-answers", tmp_path, minutes=0.15)
    finally:
        await house.office.show_product("MUG-LOGO")
    assert report["held"], claims(report, held=False)
    assert report["numbers"]["orders with a problem of their own"] >= 3


async def test_whoever_ends_a_drill_early_leaves_no_rule_behind(
    house: House, settings: Settings, tmp_path: Path
):
    said: list[str] = []
    running = asyncio.create_task(
        run_on_staging(
            [STAGING_DRILLS["erp-down"]],
            Wish(minutes=5),
            settings,
            house.stack.addresses.faults,
            say=said.append,
            directory=tmp_path,
        )
    )
    await until_rules(house)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await rules_in_force(house) == 0
    assert said[-1] == "  the rules are lifted"
    assert not (tmp_path / "reports").exists()


async def refusal(settings: Settings, control: str, directory: Path) -> str:
    drills = [STAGING_DRILLS["erp-down"]]
    with pytest.raises(StagingRefused) as caught:
        await run_on_staging(
            drills, Wish(minutes=1), settings, control, say=lambda _text: None, directory=directory
        )
    assert not (directory / "reports").exists()
    return str(caught.value)


async def test_proxies_that_the_workers_do_not_go_through_are_refused(
    house: House, settings: Settings, tmp_path: Path
):
    port, proxy = free_port(), free_port()
    erp = f"erp=memory_server,{proxy},{house.stack.addresses.erp}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orderwright", "faults", "serve", "--control-port", str(port), "--proxy", erp,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    control = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(control), 30)
        words = await refusal(settings, control, tmp_path)
        async with Faults(control) as faults:
            assert (await faults.proxies())[0].rules == ()
    finally:
        process.terminate()
        await process.wait()
    assert "no call was seen there during a sweep" in words
    assert f"ORDERWRIGHT_ERP__URL=http://127.0.0.1:{proxy}" in words


async def test_a_second_drill_at_the_same_proxies_is_refused(
    house: House, settings: Settings, tmp_path: Path
):
    assert house.faults is not None
    await house.faults.set_rule("store", Rule(fault=Fault.STATUS, calls="nothing"))
    try:
        words = await refusal(settings, house.stack.addresses.faults, tmp_path)
    finally:
        await house.faults.clear("store")
    assert "orderwright faults clear store" in words


async def test_where_no_proxies_answer_the_remedy_is_told(settings: Settings, tmp_path: Path):
    words = await refusal(settings, f"http://127.0.0.1:{free_port()}", tmp_path)
    assert "orderwright faults serve" in words
