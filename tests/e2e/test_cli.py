"""The command line against a real Temporal server, a real worker, and both systems in memory."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import httpx
import pytest

from adapters.memory.world import erp_at, storefront_at
from domain.order import Order, OrderKey
from sandbox.processes import free_port
from store.database import Database
from store.order_view import OrderViewRow
from tests.deployment import Deployment
from tests.order_builder import make_line, make_order

_ids = count(7001)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("cli")) as deployment:
        yield deployment


@pytest.fixture
def order() -> Order:
    number = next(_ids)
    key = OrderKey(channel="shop", external_id=str(number))
    return make_order(
        key=key,
        number=f"#{number - 6000}",
        lines=(make_line("1", "MUG-LOGO", 2),),
        placed_at=datetime.now(UTC),
    )


def test_an_order_is_listed_and_shown_in_plain_words(deployment, order):
    key = deployment.place(order)
    told = deployment.until(key, "submitted")
    assert told["order"] == str(key)
    assert told["view"]["can_do"] == ["cancel", "hold"]
    assert any("Entered in the ERP" in act["text"] for act in told["audit"])
    (listed,) = [
        row for row in deployment.ask("order", "list") if row["key"]["external_id"] == key.external_id
    ]
    assert (listed["number"], listed["status"]) == (order.number, "submitted")
    shown = re.sub(r"\s+", " ", deployment.call("order", "show", order.number).stdout)
    assert "the warehouse to ship the rest" in shown
    assert "http://ui.test/namespaces/default/workflows/" in shown


def test_an_order_is_proved_from_both_systems_and_a_wrong_invoice_is_named(deployment, order):
    key = deployment.place(order)
    deployment.until(key, "submitted")
    proved = deployment.ask("order", "prove", str(key))
    assert (proved["order"], proved["balanced"]) == (str(key), True)
    assert {entry["side"] for entry in proved["ledger"]} == {"store", "ERP"}
    assert {equation["verdict"] for equation in proved["equations"]} == {"holds"}
    shown = re.sub(r"\s+", " ", deployment.call("order", "prove", order.number).stdout)
    assert f"{key}: balanced" in shown
    assert "invoiced less credited: both USD" in shown

    erp = erp_at(deployment.world)
    erp.misbill(key, Decimal("1.00"))
    broken = deployment.ask("order", "prove", str(key), expect=1)
    assert broken["balanced"] is False
    (equation,) = [each for each in broken["equations"] if each["verdict"] != "holds"]
    assert (equation["name"], equation["verdict"]) == ("invoiced less credited", "broken")
    told = re.sub(r"\s+", " ", deployment.call("order", "prove", str(key), expect=1).stdout)
    assert "difference USD 1.00" in told
    assert f"{key}: NOT balanced" in told
    erp.misbill(key, Decimal("-1.00"))
    assert deployment.ask("order", "prove", str(key))["balanced"] is True


def test_what_a_person_accepted_stays_accepted_in_the_proof_of_a_closed_order(deployment, order):
    key = deployment.place(order)
    deployment.until(key, "submitted")
    erp = erp_at(deployment.world)
    erp.misbill(key, Decimal("0.02"))
    erp.ship_all(key)
    for _ in range(100):
        if deployment.ask("order", "show", str(key))["view"]["problem"]:
            break
        threading.Event().wait(0.1)
    assert deployment.ask("order", "prove", str(key), expect=1)["report"]["differences"]
    assert deployment.ask("order", "accept", str(key), "--reason", "two cents of rounding")["done"] is True
    deployment.until(key, "closed")
    proved = deployment.ask("order", "prove", str(key))
    assert [e["verdict"] for e in proved["equations"] if e["verdict"] != "holds"] == ["accepted"]


def test_cancel_cancels_in_both_systems_and_says_so(deployment, order):
    key = deployment.place(order)
    deployment.until(key, "submitted")
    answer = deployment.call("order", "cancel", str(key), "--reason", "buyer called", "--actor", "Ada")
    assert "Canceled in both systems" in answer.stdout
    assert storefront_at(deployment.world, "shop").orders[key.external_id].canceled_at is not None
    assert "Ada" in str(deployment.ask("order", "show", str(key))["timeline"])
    refused = deployment.call("order", "cancel", str(key), expect=1)
    assert (
        "Refused: the order is canceled already" in refused.stdout
        or f"order {key} is canceled since " in refused.stderr
    )


def test_a_held_order_waits_for_release(deployment, order):
    key = deployment.place(order)
    deployment.until(key, "submitted")
    assert deployment.ask("order", "hold", str(key), "--reason", "fraud check")["done"] is True
    again = deployment.ask("order", "hold", str(key), expect=1)
    assert again["done"] is False
    assert "on hold already" in again["text"]
    assert "release" in deployment.ask("order", "show", str(key))["view"]["can_do"]
    assert deployment.ask("order", "release", str(key))["done"] is True
    assert (
        "Refused: the order is not on hold" in deployment.call("order", "release", str(key), expect=1).stdout
    )


def test_an_order_that_needs_a_person_is_found_and_goes_on_after_resubmit(deployment, order):
    erp = erp_at(deployment.world)
    erp.forbid_product("MUG-LOGO")
    try:
        key = deployment.place(order)
        for _ in range(100):
            waiting = deployment.ask("order", "list", "--attention")
            if waiting:
                break
            threading.Event().wait(0.1)
        assert [row["key"]["external_id"] for row in waiting] == [key.external_id]
        assert "MUG-LOGO" in waiting[0]["problem"]
    finally:
        erp.allow_product("MUG-LOGO")
    assert deployment.ask("order", "resubmit", str(key))["done"] is True
    deployment.until(key, "submitted")
    assert deployment.ask("order", "list", "--attention") == []


def test_without_waiting_the_message_is_a_signal(deployment, order):
    key = deployment.place(order)
    deployment.until(key, "submitted")
    sent = deployment.call("order", "hold", str(key), "--no-wait").stdout
    assert "order show" in sent
    for _ in range(100):
        if deployment.ask("order", "show", str(key))["view"]["attention"] == "on hold":
            break
        threading.Event().wait(0.1)
    (held,) = deployment.ask("order", "list", "--attention")
    assert held["waiting_for"].startswith("release: ")
    assert deployment.ask("order", "release", str(key))["done"] is True


def test_the_view_is_rebuilt_from_both_systems(deployment, order):
    key = deployment.place(order)
    deployment.until(key, "submitted")
    (before,) = [
        row for row in deployment.ask("order", "list") if row["key"]["external_id"] == key.external_id
    ]
    database = Database(deployment.settings.database)
    with database.write() as session:
        session.delete(session.get(OrderViewRow, (key.channel, key.external_id)))
    assert "no order is called" in deployment.call("order", "show", order.number, expect=1).stderr
    (one,) = deployment.ask("order", "rebuild", str(key))["rebuilt"]
    assert one["before"] is None
    for column in (
        "number",
        "erp_number",
        "status",
        "total",
        "erp_total",
        "captured",
        "currency",
        "shipments",
    ):
        assert one["after"][column] == before[column]
    with database.write() as session:
        row = session.get(OrderViewRow, (key.channel, key.external_id))
        row.erp_number, row.closed_at, revision = "wrong", datetime.now(UTC), row.revision
    database.close()
    told = deployment.ask("order", "rebuild", "--days", "1")
    (mended,) = [r["after"] for r in told["rebuilt"] if r["after"]["key"]["external_id"] == key.external_id]
    assert mended["erp_number"] == before["erp_number"]
    assert mended["closed_at"] is None
    database = Database(deployment.settings.database)
    with database.read() as session:
        assert session.get(OrderViewRow, (key.channel, key.external_id)).revision == revision
    database.close()
    assert told["failed"] == []
    assert "nothing had to change" in deployment.call("order", "rebuild", "--days", "1").stdout


def test_a_closed_order_is_rebuilt_as_closed(deployment, order):
    key = deployment.place(order)
    deployment.until(key, "submitted")

    async def ship() -> None:
        erp_at(deployment.world).ship_all(key)

    deployment.inside(ship)
    closed = deployment.until(key, "closed")["row"]
    for _ in range(100):
        told = deployment.call("order", "hold", str(key), expect=1)
        if told.stderr:
            break
        threading.Event().wait(0.1)
    assert f"order {key} is closed since " in told.stderr
    assert f"orderwright order return {key} SKU=UNITS" in told.stderr
    database = Database(deployment.settings.database)
    with database.write() as session:
        session.delete(session.get(OrderViewRow, (key.channel, key.external_id)))
    database.close()
    (one,) = deployment.ask("order", "rebuild", str(key))["rebuilt"]
    for column in ("status", "total", "erp_total", "captured", "shipments"):
        assert one["after"][column] == closed[column]
    assert one["after"]["status"] == "closed"
    assert one["after"]["closed_at"] is not None
    assert one["after"]["waiting_for"] == ""


def test_doctor_is_content_and_says_so(deployment):
    found = deployment.ask("doctor")
    assert [finding for finding in found if not finding["ok"]] == []
    assert {"Temporal", "database", "storefront shop", "ERP"} <= {finding["subject"] for finding in found}
    assert "all is well" in deployment.call("doctor").stdout
    assert "secret-" not in str(found)


def test_doctor_fails_where_something_is_wrong(deployment):
    storefront_at(deployment.world, "shop").credentials_valid = False
    try:
        told = deployment.call("doctor", expect=1).stdout
    finally:
        storefront_at(deployment.world, "shop").credentials_valid = True
    assert "PROBLEM" in told
    assert "1 problem\n" in told
    assert re.search(r"storefront shop +PROBLEM +\S", told)


def test_without_versions_orders_go_on_with_workers_that_have_none(deployment):
    assert "orders go on with workers without a version" in deployment.call("worker", "--promote").stdout
    assert deployment.ask("worker", "--promote") == {"current": None}
    (found,) = [each for each in deployment.ask("doctor") if each["subject"] == "workers"]
    assert found["detail"] == "orders go on with workers without a version"


def test_a_worker_that_polls_from_here_is_seen(deployment):
    assert "a worker polled" in deployment.call("worker", "--check").stdout

    assert datetime.fromisoformat(deployment.ask("worker", "--check")["polled_at"]) <= datetime.now(UTC)


def test_migrate_may_be_run_again(deployment):
    assert "up to date" in deployment.call("migrate").stdout
    told = deployment.ask("migrate")
    assert told["version"] == Database.versions()[0]
    assert str(deployment.folder) in told["database"]


@contextmanager
def role(deployment: Deployment, name: str) -> Iterator[dict]:
    """A role as a process of its own; yields the line that it says when it is ready."""
    command = [sys.executable, "-m", "orderwright", "--env-file", str(deployment.env_file), name, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")


def test_a_worker_says_when_it_is_ready(deployment):
    with role(deployment, "worker") as told:
        assert (told["role"], told["ready"]) == ("worker", True)
        assert told["temporal"] == deployment.settings.temporal.address


def test_the_web_process_says_when_it_is_ready_and_is_checked(deployment, monkeypatch):
    monkeypatch.setenv("ORDERWRIGHT_WEB__PORT", str(free_port()))
    assert "orderwright web" in deployment.call("web", "--check", expect=1).stderr
    with role(deployment, "web") as told:
        address = f"http://127.0.0.1:{deployment.settings.web.port}"
        assert told == {"role": "web", "ready": True, "webhooks": {"shop": f"{address}/webhooks/shop"}}
        assert deployment.ask("web", "--check")["database"]["ok"] is True
        assert deployment.call("web", "--check").stdout == "webhooks are taken\n"


def test_the_console_says_where_it_is_and_shows_what_waits(deployment, monkeypatch):
    monkeypatch.setenv("ORDERWRIGHT_CONSOLE__PORT", "0")
    assert "ORDERWRIGHT_CONSOLE__USERS__<NAME>" in deployment.call("console", expect=2).stderr
    monkeypatch.setenv("ORDERWRIGHT_CONSOLE__USERS__ANNA", "long enough it is")
    with role(deployment, "console") as told:
        assert told.keys() == {"role", "ready", "console"}
        today = httpx.get(told["console"], auth=("anna", "long enough it is"), timeout=30)
    assert today.status_code == 200, today.text
    assert "What waits for a person" in today.text
    assert ">answers<" in today.text


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("order", "show", "shop:1"), 1, "no order shop:1 is under way"),
        (("order", "show", "nobody"), 1, "no order is called 'nobody'"),
        (("order", "cancel", "shop:"), 1, "not of the form channel:external-id"),
        (("order", "place"), 1, "say what to order"),
        (("order", "place", "MUG-LOGO:many"), 1, "SKU:UNITS"),
        (("order", "place", "MUG-LOGO:²"), 1, "SKU:UNITS"),
        (("order", "place", "MUG-LOGO:99999999999999999999"), 1, "say 1 to 1,000,000"),
        (("order", "place", "MUG-LOGO:" + "9" * 5000), 1, "at most 1,000,000 units"),
        (("order", "place", "MUG-LOGO:0"), 1, "orders 0 units; say 1 to"),
        (("order", "show", " shop:1 "), 1, "no order shop:1 is under way"),
        (("order", "list", "--channel", "nope"), 2, "there is no channel 'nope' (known: shop)"),
        (("case", "show", "99999999999999999999999"), 2, "less than or equal to 2147483647"),
        (("case", "assign", "99999999999999999999999", "Kim"), 2, "less than or equal to 2147483647"),
        (("order", "rebuild", "outlet:1"), 2, "ORDERWRIGHT_CHANNELS__OUTLET__VENDOR"),
        (("order", "list", "--status", "lost"), 2, "'lost' is not one of"),
    ],
)
def test_mistakes_are_answered_in_plain_words(deployment, arguments, status, words):
    result = deployment.call(*arguments, expect=status)
    assert words in re.sub(r"[\s│]+", " ", result.stderr)
    assert "Traceback" not in result.output
