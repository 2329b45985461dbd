"""The sandbox ERP's preparation and its staff's arithmetic, without an ERP."""

import asyncio
import base64
import json
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import catalog
from sandbox.failures import PreparationFailed
from sandbox.tryton import progress
from sandbox.tryton.environment import LOCK, prepare_environment
from sandbox.tryton.progress import run_step, turn
from sandbox.tryton.reading import InvoiceReading, SaleReading, ShipmentReading
from sandbox.tryton.rpc import Rpc, _decode, _encode
from sandbox.tryton.staff import Piece, _half
from sandbox.tryton.template import copy_template, seed_content, tryton_environment


def python(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(lines)]


def test_a_step_passes_its_lines_on_with_the_seconds():
    said: list[str] = []
    run_step("counting", python("print('one')", "print()", "print('two')"), said.append)
    assert said == ["counting: one (0 s)", "counting: two (0 s)", "counting: done (0 s)"]


def test_a_silent_step_says_that_it_is_still_at_it(monkeypatch):
    monkeypatch.setattr(progress, "HEARTBEAT", 0.1)
    said: list[str] = []
    run_step("waiting", python("import time", "time.sleep(0.7)"), said.append)
    assert "waiting: still at it (0 s)" in said


def test_a_failed_step_shows_its_last_lines():
    lines = [f"print('line {n}')" for n in range(30)]
    with pytest.raises(PreparationFailed) as failure:
        run_step("counting", python(*lines, "raise SystemExit(3)"), lambda _: None)
    text = str(failure.value)
    assert text.startswith("counting ended with status 3:")
    assert "line 29" in text
    assert "line 3\n" not in text


def test_a_missing_command_is_named():
    with pytest.raises(PreparationFailed, match="no-such-command-here"):
        run_step("trying", ["no-such-command-here"], lambda _: None)


def test_a_step_is_ended_when_its_listener_fails(tmp_path, monkeypatch):
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    witness = tmp_path / "witness"
    program = python("import time, pathlib", "time.sleep(1)", f"pathlib.Path({str(witness)!r}).touch()")
    monkeypatch.setattr(progress, "HEARTBEAT", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run_step("waiting", program, interrupted)
    threading.Event().wait(1.2)
    assert not witness.exists()


def test_a_step_is_ended_when_told_to_stop(tmp_path):
    witness, stop = tmp_path / "witness", threading.Event()
    program = python(
        "import time, pathlib",
        "print('begun', flush=True)",
        "time.sleep(1)",
        f"pathlib.Path({str(witness)!r}).touch()",
    )
    with pytest.raises(PreparationFailed, match="stopped"):
        run_step("waiting", program, lambda _: stop.set(), stop=stop)
    threading.Event().wait(1.2)
    assert not witness.exists()


def test_two_preparations_take_turns(tmp_path):
    order: list[str] = []
    inside = threading.Event()
    said: list[str] = []

    def second() -> None:
        inside.wait(5)
        with turn(tmp_path, said.append):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with turn(tmp_path, said.append):
        inside.set()
        other.join(timeout=0.5)
        order.append("first")
    other.join(timeout=5)
    assert order == ["first", "second"]
    assert said == ["another process is preparing Tryton; waiting for it"]


def test_waiting_for_a_turn_can_be_stopped(tmp_path):
    stop = threading.Event()
    with (
        turn(tmp_path, lambda _: None),
        pytest.raises(PreparationFailed, match="waiting"),
        turn(tmp_path, lambda _: stop.set(), stop),
    ):
        pytest.fail("it got in")


def small_lock(folder: Path, package: str) -> Path:
    """One small package of our own lock file, with its hashes."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = next(
        number for number in range(start + 1, len(lines)) if not lines[number].lstrip().startswith("--hash")
    )
    lock = folder / f"{package}.lock"
    lock.write_text("\n".join(lines[start:end]) + "\n", encoding="utf-8")
    return lock


@pytest.mark.tryton
def test_an_interrupted_install_is_made_anew_and_a_whole_one_kept(tmp_path):
    said: list[str] = []
    state = tmp_path / "state"
    rest = state / "venv" / "bin" / "python"
    rest.parent.mkdir(parents=True)
    rest.write_text("half a file")
    lock = small_lock(tmp_path, "polib")
    found = prepare_environment(state, said.append, lock)
    assert found == rest
    run_step("asking it", [str(found), "-c", "import polib"], said.append)
    assert said[0] == "removing an old or unfinished Tryton environment"

    said.clear()
    assert prepare_environment(state, said.append, lock) == found
    assert said == []

    prepare_environment(state, said.append, small_lock(tmp_path, "defusedxml"))
    run_step("asking it", [str(found), "-c", "import defusedxml"], said.append)
    with pytest.raises(PreparationFailed, match="polib"):
        run_step("asking it", [str(found), "-c", "import polib"], said.append)


@pytest.mark.tryton
def test_a_package_that_is_not_the_locked_one_is_refused(tmp_path):
    lock = small_lock(tmp_path, "polib")
    lock.write_text("polib==1.2.0 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(PreparationFailed, match="installing Tryton's packages"):
        prepare_environment(tmp_path / "state", lambda _: None, lock)
    # What failed is not taken for an install the next time.
    said: list[str] = []
    with pytest.raises(PreparationFailed):
        prepare_environment(tmp_path / "state", said.append, lock)
    assert said[0] == "removing an old or unfinished Tryton environment"


def test_the_lock_names_no_address_and_hashes_everything():
    text = LOCK.read_text(encoding="utf-8")
    assert "://" not in text
    packages = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert packages
    for line in packages:
        assert line.endswith("\\"), f"{line} has no hash"
    assert any(line.startswith("trytond==8.2.") for line in packages)


def test_a_copy_leaves_no_log_of_the_former_database(tmp_path):
    template, database = tmp_path / "template.sqlite", tmp_path / "data" / "erp.sqlite"
    template.write_bytes(b"new")
    database.parent.mkdir()
    for name in ("erp.sqlite", "erp.sqlite-wal", "erp.sqlite-shm"):
        (database.parent / name).write_bytes(b"old")
    copy_template(template, database)
    assert {f.name: f.read_bytes() for f in database.parent.iterdir()} == {"erp.sqlite": b"new"}


def test_the_seed_holds_the_whole_catalogue():
    content = seed_content()
    assert [p["sku"] for p in content["products"]] == [p["sku"] for p in catalog.PRODUCTS]
    assert content["locations"] == catalog.LOCATIONS
    assert content["taxes"] == catalog.TAXES


def test_tryton_is_not_steered_by_our_environment(monkeypatch):
    monkeypatch.setenv("TRYTOND_DATABASE_URI", "postgresql://elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("HARMLESS", "kept")
    environment = tryton_environment()
    assert "TRYTOND_DATABASE_URI" not in environment
    assert "PYTHONPATH" not in environment
    assert environment["HARMLESS"] == "kept"


@given(st.lists(st.integers(0, 40), max_size=6))
def test_the_first_parcel_holds_half_of_the_units(units):
    taken = _half([Piece(count, {number: 1}) for number, count in enumerate(units)])
    assert sum(taken.values()) == (sum(units) // 2 or sum(units))
    assert all(0 <= taken[number] <= count for number, count in enumerate(units))


@given(st.integers(1, 20), st.integers(1, 4), st.integers(1, 4))
def test_kits_leave_whole(kits, tees, socks):
    taken = _half([Piece(kits, {1: tees, 2: socks})])
    assert taken[1] * socks == taken[2] * tees
    assert taken[1] % tees == 0


@pytest.mark.parametrize(
    "value", [Decimal("19.9000"), date(2026, 2, 28), datetime(2026, 2, 28, 13, 1, 2, 3, tzinfo=UTC)]
)
def test_a_value_survives_the_wire(value):
    assert _decode(_encode(value)) == value


def test_a_duration_is_read_and_nonsense_is_not_sent():
    assert _decode(_encode(timedelta(minutes=2))) == timedelta(minutes=2)
    with pytest.raises(TypeError, match="cannot be sent to Tryton"):
        _encode(object())


@pytest.mark.parametrize(
    ("state", "shipment", "invoice", "canceled"),
    [
        ("cancelled", None, None, True),
        ("done", "cancelled", "cancelled", True),
        ("done", "cancelled", None, True),
        ("done", "done", "cancelled", False),
        ("done", "cancelled", "posted", False),
        ("done", None, None, False),
        ("processing", "cancelled", "cancelled", False),
    ],
)
def test_a_sale_is_canceled_where_all_that_came_of_it_is(state, shipment, invoice, canceled):
    nothing = Decimal(0)
    sale = SaleReading(
        sale_id=1, number="S1", reference="#1001", state=state, shipment_state="", invoice_state="", currency="USD",
        party=None, untaxed=nothing, tax=nothing, total=nothing, taxes={},
        shipments=(ShipmentReading(1, "P1", shipment, "WH-EAST", None, None, {}),) if shipment else (),
        invoices=(InvoiceReading(1, None, invoice, nothing),) if invoice else (),
    )  # fmt: skip
    assert sale.canceled is canceled


class Forgetful:
    """A Tryton that forgets its sessions once. The second call that comes with an old one hears of it late."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.logins = self.refused = 0
        self.second, self.renewed = asyncio.Event(), asyncio.Event()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        method = json.loads(request.content)["method"]
        if method == "common.db.login":
            self.logins += 1
            if self.logins > 2:
                await asyncio.sleep(0.1)
            token = f"t{self.logins}"
            self.sessions.add("Session " + base64.b64encode(f"staff:1:{token}".encode()).decode())
            return httpx.Response(200, json={"result": [1, token, None]})
        if request.headers.get("Authorization") not in self.sessions:
            self.refused += 1
            if self.refused == 1:
                await self.second.wait()
            elif self.refused == 2:
                self.second.set()
                await self.renewed.wait()
            return httpx.Response(401)
        if method.endswith("get_preferences") and self.logins == 2:
            self.renewed.set()
            await asyncio.sleep(0.05)
        return httpx.Response(200, json={"result": {} if method.endswith("get_preferences") else []})


async def test_calls_that_find_a_session_forgotten_do_not_take_the_new_one_from_each_other():
    erp = Forgetful()
    rpc = Rpc("http://erp.invalid", "erp", "staff", "secret", transport=httpx.MockTransport(erp.handle))
    assert await rpc.find("web.shop", [], ["name"]) == []
    erp.sessions.clear()
    calls = [rpc.find("web.shop", [], ["name"]) for _ in range(2)]
    assert await asyncio.gather(*calls) == [[], []]
    assert erp.logins == 2
    await rpc.close()
