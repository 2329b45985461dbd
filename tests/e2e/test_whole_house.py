"""The whole house on real parts: Temporal, Tryton, the store, worker and web as processes of their own."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from adapters.temporal import connect
from config.setting_groups import TemporalSettings
from domain.order import OrderKey
from domain.topics import ORDERS_UPDATED
from sandbox.addresses import CHANNEL
from sandbox.audit import tax_codes
from sandbox.stack import Stack, find_temporal
from sandbox.store.client import AsyncStoreControl
from sandbox.store.control import OrderReading
from sandbox.store.requests import AskReturn, AskReturnLine, PlaceOrder
from sandbox.tryton.reading import SaleReading
from sandbox.tryton.staff import Staff
from store.database import Database
from store.inbox import Inbox, InboxRow, InboxState
from workflows.messages import Attention, OrderResult, OrderView
from workflows.search import ORDER_NUMBER

pytestmark = [pytest.mark.long, pytest.mark.tryton, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).parents[2]
TRYTON_STATE = Path(os.environ.get("ORDERWRIGHT_TEST_TRYTON_DIR", ROOT / "var" / "tryton"))
LONGEST = 100.0
"""Seconds that anything here may take on a busy machine."""
ROUND = 0.4

TWO_WAREHOUSES = {
    "lines": [
        {
            "sku": "JEAN-IND-32",
            "quantity": 5,
            "split": [{"location": 101, "quantity": 2}, {"location": 102, "quantity": 3}],
        },
        {"sku": "MUG-LOGO", "quantity": 3, "discount": {"percent": "15", "title": "Loyal"}},
    ],
    "taxes": ["STATE-6.25", "CITY-1.5"],
    "shipping": {"code": "standard", "price": "7.50"},
}
ONE_WAREHOUSE = {"lines": [{"sku": "CAP-GRN", "quantity": 2}], "taxes": ["STATE-6.25"]}


@dataclass(frozen=True)
class Told:
    """What a command said."""

    status: int
    out: str
    err: str


async def run(*command: str, cwd: Path = ROOT) -> Told:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), LONGEST)
    assert process.returncode is not None
    return Told(process.returncode, out.decode(), err.decode())


@dataclass(frozen=True)
class House:
    """A running stack, and the people around it: buyers, warehouse, operator."""

    stack: Stack
    folder: Path
    store: AsyncStoreControl
    staff: Staff
    client: Client

    async def place(self, order: dict[str, Any]) -> str:
        """A buyer orders; returns the order's id."""
        return str((await self.store.place_order(PlaceOrder.model_validate(order))).id)

    def webhooks(self, order: str) -> dict[str, InboxState]:
        """What became of each topic in the inbox; of updates, which follow all others, see ``updates``."""
        rows = [row for row in self._inbox(order) if row.topic != ORDERS_UPDATED]
        assert len({row.topic for row in rows}) == len(rows)
        return {row.topic: row.state for row in rows}

    def updates(self, order: str) -> set[InboxState]:
        """What became of the webhooks that say that the order was updated."""
        return {row.state for row in self._inbox(order) if row.topic == ORDERS_UPDATED}

    def _inbox(self, order: str) -> tuple[InboxRow, ...]:
        database = Database(self.stack.addresses.database_url)
        try:
            return Inbox(database).for_order(OrderKey(channel=CHANNEL, external_id=order))
        finally:
            database.close()

    def handle(self, order: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(
            OrderKey(channel=CHANNEL, external_id=order).workflow_id, result_type=OrderResult
        )

    async def view(self, order: str) -> OrderView | None:
        try:
            return await self.handle(order).query("status", result_type=OrderView)
        except RPCError:
            return None  # its webhook is still on the way

    async def until(self, order: str, what: Callable[[OrderView], bool]) -> OrderView:
        """Wait for the order to say it; fails with the order's own words."""
        deadline = time.monotonic() + LONGEST
        view = await self.view(order)
        while view is None or not what(view):
            assert time.monotonic() < deadline, f"order {order}: {view and (view.sentence, view.waiting_for)}"
            await asyncio.sleep(ROUND)
            view = await self.view(order)
        return view

    async def until_in_erp(self, order: str) -> SaleReading:
        """Wait until the ERP has it, allocated; returns it as the ERP's staff see it."""
        await self.until(order, lambda view: view.erp_number is not None)
        sale = await self.staff.read_sale(order)
        assert sale is not None
        return sale

    async def end(self, order: str) -> OrderResult:
        """Wait for the order's end, and for nothing but that."""
        ended: OrderResult = await asyncio.wait_for(self.handle(order).result(), LONGEST)
        return ended

    async def receive_return(self, order: str) -> None:
        """The warehouse takes the goods in, as soon as it expects them."""
        deadline = time.monotonic() + LONGEST
        while True:
            try:
                await self.staff.receive_return(order)
            except LookupError:
                assert time.monotonic() < deadline, "the warehouse expects nothing"
                await asyncio.sleep(ROUND)
            else:
                return

    async def ship_to_the_end(self, order: str) -> OrderResult:
        """The warehouse works in rounds, a part of each shipment first, until the order ends."""
        ending = asyncio.create_task(self.end(order))
        while not ending.done():
            await self.staff.ship_in_parts([order])
            await asyncio.wait({ending}, timeout=1)
        return ending.result()

    async def assert_balanced(self, order: str) -> tuple[OrderReading, SaleReading]:
        """Read both systems without the application: one sale, the same cents, every parcel told, all captured."""
        await self.staff.post_invoices(order)
        sold, sale = await self.store.read_order(order), await self.staff.read_sale(order)
        assert sale is not None
        assert await self.staff.count_sales(order, sold.name) == 1
        assert (sale.total, sale.invoiced) == (sold.total, sold.total)
        assert {code: cents for code, cents in sale.taxes.items() if cents} == tax_codes(sold.taxes)
        assert sold.captured == sold.total
        assert sold.open_units == 0
        left = [shipment for shipment in sale.shipments if shipment.state == "done"]
        assert sorted(sold.tracking_numbers) == sorted(str(each.tracking_number) for each in left)
        assert sold.fulfillments == len(left)
        return sold, sale

    async def cli(self, *arguments: str) -> Told:
        """The command line, as somebody in another terminal."""
        env_file = str(self.folder / "env")
        return await run(sys.executable, "-m", "orderwright", "--env-file", env_file, *arguments)

    async def signal(self, order: str, name: str, body: dict[str, str] | None = None) -> None:
        """Temporal's own command line: nothing of ours is needed to speak to an order."""
        workflow_id = OrderKey(channel=CHANNEL, external_id=order).workflow_id
        command = [find_temporal(), "workflow", "signal", "--address", self.stack.addresses.temporal]
        command += ["--workflow-id", workflow_id, "--name", name]
        told = await run(*command, *(["--input", json.dumps(body)] if body is not None else []))
        assert told.status == 0, told.err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    said: list[str] = []
    async with (
        Stack(folder, fresh=True, say=said.append, tryton_state=TRYTON_STATE, known_ports=False) as stack,
        AsyncStoreControl(stack.addresses.store) as store,
        Staff(
            stack.addresses.erp,
            stack.addresses.erp_database,
            stack.addresses.staff_login,
            stack.addresses.staff_password,
            channel=CHANNEL,
        ) as staff,
    ):
        await store.turn_webhooks(duplicate=True)
        client = await connect(TemporalSettings(address=stack.addresses.temporal))
        yield House(stack, folder, store, staff, client)


async def test_an_order_of_two_warehouses_goes_from_webhook_to_its_shipments_and_closes_balanced(
    house: House,
):
    before = await house.store.turn_webhooks(paused=True, shuffle_seed=3)
    order, other = await house.place(TWO_WAREHOUSES), await house.place(ONE_WAREHOUSE)
    await house.store.edit_line(order, 2, 2)
    waiting = await house.store.turn_webhooks(shuffle_seed=None)
    assert waiting["messages"]["waiting"] - before["messages"]["waiting"] == 12, "six webhooks, all twice"
    await house.store.turn_webhooks(paused=False)

    sale = await house.until_in_erp(order)
    assert sale.ordered == {"JEAN-IND-32": 5, "MUG-LOGO": 2, "SHIPPING": 1}
    assert {shipment.warehouse for shipment in sale.shipments} == {"WH-EAST", "WH-WEST"}
    assert (await house.store.read_order(order)).captured == 0

    ended = await house.ship_to_the_end(order)
    assert ended.outcome is Attention.CLOSED
    sold, sale = await house.assert_balanced(order)
    assert sold.fulfillments >= 2
    assert {each.warehouse for each in sale.shipments if each.state == "done"} == {"WH-EAST", "WH-WEST"}
    # "Paid" tells of our own last capture, which nobody waits for.
    kept = house.webhooks(order)
    assert sorted(topic for topic in kept if topic != "orders/paid") == ["orders/create", "orders/edited"]

    shown = await house.cli("order", "show", sold.name)
    assert shown.status == 0, shown.err
    assert f"{sold.name}, {sale.number}" in shown.out
    assert "Delivered, paid and balanced to the cent; closed." in shown.out
    assert shown.out.count("storefront told") == sold.fulfillments

    listed = await house.cli("order", "list", "--json")
    rows = {row["key"]["external_id"]: row for row in json.loads(listed.out)}
    assert (rows[order]["status"], rows[order]["shipments"]) == ("closed", sold.fulfillments)
    assert Decimal(rows[order]["captured"]) == sold.total
    # The other one is found in the Temporal UI by the name that people know, though nothing of it has changed yet.
    waiting_still = await house.handle(other).describe()
    other_name = (await house.store.read_order(other)).name
    assert waiting_still.typed_search_attributes.get(ORDER_NUMBER) == other_name
    assert await waiting_still.static_summary() == f"Order {other_name} of shop"
    # It is not shipped yet, and the list for people says so in a line of its own.
    people = await house.cli("order", "list")
    assert re.search(rf"shop:{other} .* submitted .* the warehouse", people.out)


async def test_what_a_return_does_in_the_store_is_told_back_and_wakes_nobody(house: House):
    order = await house.place(ONE_WAREHOUSE)
    await house.until_in_erp(order)
    assert (await house.ship_to_the_end(order)).outcome is Attention.CLOSED
    await house.store.ask_return(order, AskReturn(lines=(AskReturnLine(quantity=1),)))
    await house.until(order, lambda view: "return" in view.waiting_for)
    await house.receive_return(order)
    assert (await house.end(order)).outcome is Attention.CLOSED
    back = await house.store.read_order(order)
    assert back.refunded > 0
    ours = {"returns/approve", "refunds/create", "returns/close"}
    deadline = time.monotonic() + LONGEST
    while len(kept := house.webhooks(order)) < 6 or InboxState.PENDING in kept.values():
        assert time.monotonic() < deadline, kept
        await asyncio.sleep(ROUND)
    assert {topic for topic, state in kept.items() if state is InboxState.ECHO} == {*ours, "orders/paid"}
    while InboxState.PENDING in (updates := house.updates(order)):
        assert time.monotonic() < deadline, "an update waits in the inbox"
        await asyncio.sleep(ROUND)
    assert updates == {InboxState.ECHO}


@pytest.mark.parametrize("body", [None, {"actor": "Kim", "reason": "the buyer called"}])
async def test_a_signal_of_temporals_own_command_line_cancels_an_order_in_both_systems(house: House, body):
    order = await house.place(TWO_WAREHOUSES)
    await house.until_in_erp(order)
    await house.signal(order, "cancel", body)
    assert (await house.end(order)).outcome is Attention.CANCELED

    sale, sold = await house.staff.read_sale(order), await house.store.read_order(order)
    assert sale is not None
    assert {shipment.state for shipment in sale.shipments} == {"cancelled"}
    assert {invoice.state for invoice in sale.invoices} <= {"cancelled"}
    assert sale.invoiced == 0
    assert await house.staff.shipments_to_do([order]) == ()
    assert (sold.canceled, sold.financial_status, sold.open_units) == (True, "VOIDED", 0)
    assert sold.captured == 0

    shown = await house.cli("order", "show", f"shop:{order}")
    assert "Canceled in both systems" in shown.out
    assert ("Kim" in shown.out and "the buyer called" in shown.out) == (body is not None)


async def test_a_cancel_after_picking_is_refused_in_words_and_the_order_goes_on(house: House):
    order = await house.place(ONE_WAREHOUSE)
    await house.until_in_erp(order)
    picked = await house.staff.pick_only(order)

    refused = await house.cli("order", "cancel", f"shop:{order}", "--reason", "changed their mind")
    assert refused.status == 1
    assert "Not canceled: 2 units of CAP-GRN cannot be canceled yet" in refused.out
    assert f"shipment {picked.number} from WH-EAST is picked" in refused.out
    assert not (await house.store.read_order(order)).canceled
    await house.until(order, lambda view: view.attention is Attention.NEEDS_ATTENTION)

    await house.staff.send_picked(order)
    assert (await house.end(order)).outcome is Attention.CLOSED
    await house.assert_balanced(order)


async def test_an_order_that_the_erp_refuses_waits_says_why_and_goes_on_after_resubmit(house: House):
    await house.staff.archive_product("SCARF-WOOL")
    order = await house.place({"lines": [{"sku": "SCARF-WOOL", "quantity": 2}], "taxes": ["STATE-6.25"]})
    await house.until(order, lambda view: view.attention is Attention.NEEDS_ATTENTION)
    assert await house.staff.count_sales(order) == 0

    shown = await house.cli("order", "show", f"shop:{order}")
    assert "SCARF-WOOL" in shown.out
    assert "Make the product in the ERP (for sale), or map the SKU to another; then resubmit" in shown.out
    assert "The ERP has no product SCARF-WOOL (orderwright case show " in shown.out
    asking = await house.cli("order", "list", "--attention", "--json")
    assert [row["key"]["external_id"] for row in json.loads(asking.out)] == [order]

    await house.staff.restore_product("SCARF-WOOL")
    await house.signal(order, "resubmit")
    await house.until_in_erp(order)
    assert (await house.ship_to_the_end(order)).outcome is Attention.CLOSED
    await house.assert_balanced(order)
    assert json.loads((await house.cli("order", "list", "--attention", "--json")).out) == []


async def test_what_nobody_signed_and_what_no_channel_takes_leaves_no_trace(house: House):
    endpoint = house.stack.addresses.webhooks
    body = json.dumps({"id": 990099, "name": "#9", "admin_graphql_api_id": "gid://shopify/Order/990099"})
    headers = {
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": "made-up",
        "X-Shopify-Hmac-Sha256": "bm90IHRoZSBzaWduYXR1cmU=",
        "Content-Type": "application/json",
    }
    async with httpx.AsyncClient() as stranger:
        forged = await stranger.post(endpoint, content=body, headers=headers)
        lost = await stranger.post(endpoint.replace(CHANNEL, "nowhere"), content=body, headers=headers)
    assert forged.status_code == 401
    assert "does not fit the body" in forged.json()["error"]
    assert "WEBHOOK_SECRET" in forged.json()["remedy"]
    assert lost.status_code == 404
    assert "nowhere" in lost.json()["error"]
    # Whatever came after them is in the ERP: had one of them been taken, so would it be by now.
    await house.until_in_erp(await house.place(ONE_WAREHOUSE))
    assert await house.staff.count_sales("990099", "#9") == 0
    assert await house.view("990099") is None


# -- orderwright up ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Up:
    """``orderwright up`` in a folder of its own."""

    process: asyncio.subprocess.Process
    where: dict[str, str]
    pids: dict[str, int]

    async def ended(self) -> tuple[int, str]:
        """Wait for the end; returns exit status and what was said on standard error."""
        _, err = await asyncio.wait_for(self.process.communicate(), LONGEST)
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()

    def alive(self) -> list[str]:
        """Names of the parts that still run."""
        return [name for name, pid in self.pids.items() if Path(f"/proc/{pid}").exists()]


def _share_tryton(var: Path) -> None:
    """The installation of Tryton is shared; everything else of a stack lives below its own folder."""
    var.mkdir()
    (var / "tryton").symlink_to(TRYTON_STATE.resolve())


@pytest_asyncio.fixture(loop_scope="module")
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    _share_tryton(tmp_path / "var")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orderwright", "up", "--json"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield await _came_up(process, tmp_path / "var" / "up")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.communicate()


async def _came_up(process: asyncio.subprocess.Process, folder: Path) -> Up:
    assert process.stdout is not None
    said = await asyncio.wait_for(process.stdout.readuntil(b"\n}\n"), LONGEST)
    pids = {file.stem: int(file.read_text()) for file in (folder / "log").glob("*.pid")}
    pids["erp"] = json.loads((folder / "tryton" / "trytond.pid").read_text())["pid"]
    started = Up(process, json.loads(said), pids)
    assert sorted(pids) == ["console", "erp", "store", "temporal", "web", "worker"]
    assert started.alive() == list(pids)
    return started


async def test_ctrl_c_ends_every_part_of_the_stack(up: Up):
    async with httpx.AsyncClient() as client:
        assert (await client.get(up.where["webhooks"].split("/webhooks")[0] + "/healthz")).is_success
    up.process.send_signal(signal.SIGINT)
    status, err = await up.ended()
    assert status == 0
    assert err.endswith("stopped\n")
    assert up.alive() == []


async def test_a_part_that_crashes_ends_the_stack_and_is_named(up: Up):
    os.kill(up.pids["web"], signal.SIGKILL)
    status, err = await up.ended()
    assert status == 1
    assert "orderwright: web ended with status -9" in err
    assert "Traceback" not in err
    assert up.alive() == []
