"""The sandbox's ERP: a real Tryton, started, seeded, worked in by its staff, and read back."""

import asyncio
import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sandbox.failures import PreparationFailed
from sandbox.tryton.rpc import Refused, Rpc
from sandbox.tryton.server import TrytonServer
from sandbox.tryton.staff import Piece, Staff

pytestmark = [pytest.mark.long, pytest.mark.tryton, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).parents[2]
STATE = ROOT / "var" / "tryton"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def erp(tmp_path_factory):
    async with TrytonServer(STATE, data_dir=tmp_path_factory.mktemp("erp")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(erp):
    async with Rpc(erp.url, erp.database, erp.login, erp.password) as rpc:
        yield rpc


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def staff(erp):
    async with Staff(erp.url, erp.database, erp.staff_login, erp.staff_password) as person:
        yield person


async def id_of(rpc: Rpc, model: str, field: str, value: object) -> int:
    (found,) = await rpc.find(model, [[field, "=", value]], ["id"])
    return int(found["id"])


async def enter_sale(
    rpc: Rpc,
    web_id: str,
    lines: list[tuple[str, int, str, list[str]]],
    *,
    warehouse: str = "WH-EAST",
    carrier: str | None = None,
    confirm: bool = True,
) -> int:
    """Enter a sale as the application's login; a line is code, quantity, unit price, tax codes."""
    party = await id_of(rpc, "party.party", "code", "RETAIL")
    address = await id_of(rpc, "party.address", "party", party)
    unit = await id_of(rpc, "product.uom", "name", "Unit")
    entered = [
        {
            "type": "line",
            "product": await id_of(rpc, "product.product", "code", code),
            "quantity": float(quantity),
            "unit": unit,
            "unit_price": Decimal(price),
            "taxes": [["add", [await id_of(rpc, "account.tax", "description", tax) for tax in taxes]]],
        }
        for code, quantity, price, taxes in lines
    ]
    sale = {
        "party": party,
        "invoice_address": address,
        "shipment_address": address,
        "company": (await rpc.find("company.company", [], ["id"]))[0]["id"],
        "currency": await id_of(rpc, "currency.currency", "code", "USD"),
        "payment_term": await id_of(rpc, "account.invoice.payment_term", "name", "Direct"),
        "warehouse": await id_of(rpc, "stock.location", "code", warehouse),
        "carrier": await id_of(rpc, "carrier", "party.code", carrier) if carrier else None,
        "shipment_cost_method": None,
        "invoice_method": "order",
        "shipment_method": "order",
        "web_shop": await id_of(rpc, "web.shop", "name", "shop"),
        "web_id": web_id,
        "reference": f"#{web_id}",
        "lines": [["create", entered]],
    }
    (created,) = await rpc.call("sale.sale", "create", [sale])
    if confirm:
        await rpc.press("sale.sale", "quote", [created])
        await rpc.press("sale.sale", "confirm", [created])
    return int(created)


class ReservedMeanwhile(Staff):
    """Between a shipment that waits and its quantities comes somebody who reserves it, twice."""

    def __init__(self, *login: str, by: Rpc) -> None:
        super().__init__(*login)
        self.times = 2
        self._by = by

    async def _pieces(self, shipment_id: int) -> list[Piece]:
        found = await super()._pieces(shipment_id)
        if self.times:
            self.times -= 1
            await self._by.press("stock.shipment.out", "assign_try", [shipment_id])
        return found


class TestStaff:
    async def test_a_sale_leaves_in_two_parcels_and_is_paid(self, application, staff):
        await enter_sale(
            application,
            "5001",
            [
                ("TEE-BLK-S", 3, "19.90", ["STATE-6.25", "CITY-1.5"]),
                ("KIT-STARTER", 3, "29.90", ["VAT-20"]),
                ("SHIPPING", 1, "5.00", ["VAT-20"]),
                ("TAX-ROUNDING", -2, "0", ["VAT-20-ROUNDING"]),
            ],
            carrier="DHL",
        )
        (first,) = await staff.ship_in_parts(["5001"])
        # Half of six units, a kit counted as one unit and sent whole: a tee and two pairs of socks.
        assert first.quantities == {"TEE-BLK-S": 2, "TEE-BLK-M": 1, "SOCK-GRY": 2}
        assert first.of_kits == {"TEE-BLK-M": 1, "SOCK-GRY": 2}
        assert (first.state, first.warehouse, first.carrier) == ("done", "WH-EAST", "DHL")
        assert first.tracking_number == f"DHL-5001-{first.number}"
        half_way = await staff.read_sale("5001")
        assert half_way is not None
        assert half_way.state == "processing"
        assert sorted(s.state for s in half_way.shipments) == ["done", "waiting"]

        (second,) = await staff.ship_in_parts(["5001"])
        assert second.quantities == {"TEE-BLK-S": 1, "TEE-BLK-M": 2, "SOCK-GRY": 4}
        assert second.tracking_number != first.tracking_number
        assert await staff.ship_in_parts(["5001"]) == ()

        (number,) = await staff.post_invoices("5001")
        (printed,) = await application.find(
            "account.invoice", [["number", "=", number]], ["invoice_report_format", "invoice_report_cache"]
        )
        assert printed["invoice_report_format"] == "txt"
        assert f"Invoice {number} of " in printed["invoice_report_cache"].decode()
        assert await staff.post_invoices("5001") == ()
        # 59.70 * 6.25 % = 3.73, * 1.5 % = 0.90; 94.70 * 20 % = 18.94, less two cents of rounding.
        assert await staff.pay_invoices("5001") == Decimal("177.95")
        sale = await staff.read_sale("5001")
        assert sale is not None
        assert sale.state == "done"
        assert sale.taxes == {
            "STATE-6.25": Decimal("3.73"),
            "CITY-1.5": Decimal("0.90"),
            "VAT-20": Decimal("18.92"),
        }
        assert (sale.untaxed, sale.tax, sale.total) == (
            Decimal("154.40"),
            Decimal("23.55"),
            Decimal("177.95"),
        )
        assert sale.invoiced == sale.total
        assert [(i.number, i.state) for i in sale.invoices] == [(number, "paid")]
        assert sale.ordered == {"TEE-BLK-S": 3, "KIT-STARTER": 3, "SHIPPING": 1}
        assert (sale.reference, sale.currency, sale.party) == ("#5001", "USD", "RETAIL")

    async def test_one_unit_leaves_at_once_with_the_house_carrier(self, application, staff):
        await enter_sale(application, "5002", [("CAP-BLK", 1, "24.49", [])], warehouse="WH-WEST")
        (parcel,) = await staff.ship_in_parts(["5002"])
        assert (parcel.warehouse, parcel.carrier, parcel.quantities) == ("WH-WEST", "UPS", {"CAP-BLK": 1})
        assert await staff.shipments_to_do(["5002"]) == ()

    async def test_a_reserved_shipment_is_shipped_in_parts_too(self, application, staff):
        await enter_sale(application, "5003", [("CAP-GRN", 2, "24.49", [])])
        (job,) = await staff.shipments_to_do(["5003"])
        await staff._rpc.press("stock.shipment.out", "assign_try", [job.shipment_id])
        parcels = [*await staff.ship_in_parts(["5003"]), *await staff.ship_in_parts(["5003"])]
        assert [p.quantities for p in parcels] == [{"CAP-GRN": 1}, {"CAP-GRN": 1}]

    async def test_a_shipment_that_is_reserved_while_it_is_laid_out_is_laid_out_again(self, application, erp):
        await enter_sale(application, "5009", [("CAP-GRN", 2, "24.49", [])])
        async with ReservedMeanwhile(
            erp.url, erp.database, erp.staff_login, erp.staff_password, by=application
        ) as person:
            (parcel,) = await person.ship_in_parts(["5009"])
        assert parcel.quantities == {"CAP-GRN": 1}
        assert person.times == 0

    async def test_what_is_not_in_stock_stays_on_the_list(self, application, staff):
        await enter_sale(application, "5004", [("PIN-SET", 1, "4.99", []), ("STICKER", 5000, "0.99", [])])
        (job,) = await staff.shipments_to_do(["5004"])
        assert await staff.ship(job, part=False) is None
        sale = await staff.read_sale("5004")
        assert sale is not None
        assert [(s.state, s.quantities) for s in sale.shipments] == [
            ("waiting", {"PIN-SET": 1, "STICKER": 5000})
        ]

    async def test_a_job_that_somebody_else_took_is_left_alone(self, application, staff):
        await enter_sale(application, "5008", [("CAP-BLK", 2, "24.49", [])])
        (job,) = await staff.shipments_to_do(["5008"])
        await application.press("stock.shipment.out", "draft", [job.shipment_id])
        assert await staff.ship(job) is None
        await application.press("stock.shipment.out", "wait", [job.shipment_id])
        await application.press("stock.shipment.out", "cancel", [job.shipment_id])
        assert await staff.ship(job) is None
        sale = await staff.read_sale("5008")
        assert sale is not None
        assert [(s.state, s.quantities) for s in sale.shipments] == [("cancelled", {})]

    async def test_a_picked_shipment_is_off_the_list_but_not_gone(self, application, staff):
        await enter_sale(application, "5005", [("MUG-LOGO", 2, "9.05", [])])
        picked = await staff.pick_only("5005")
        assert (picked.state, picked.quantities) == ("picked", {"MUG-LOGO": 2})
        assert await staff.shipments_to_do(["5005"]) == ()
        with pytest.raises(LookupError, match="5005"):
            await staff.pick_only("5005")

    async def test_a_closed_period_refuses_to_post(self, application, staff):
        await enter_sale(application, "5006", [("MUG-LOGO", 1, "9.05", [])])
        name = await staff.close_period()
        try:
            with pytest.raises(Refused, match=name):
                await staff.post_invoices("5006")
        finally:
            assert await staff.reopen_period() == name
        assert len(await staff.post_invoices("5006")) == 1

    async def test_an_archived_product_is_not_found_until_restored(self, application, staff):
        wanted = [["code", "=", "BELT-BRN"]]
        await staff.archive_product("BELT-BRN")
        assert await application.find("product.product", wanted, ["code"]) == []
        # It lies on the shelves nevertheless, and who takes stock counts it.
        await staff.take_stock("BELT-BRN", "WH-EAST", 3)
        lines = await application.find(
            "stock.inventory.line", [["product.code", "=", "BELT-BRN"]], ["quantity"]
        )
        assert [line["quantity"] for line in lines][-1:] == [3.0]
        await staff.restore_product("BELT-BRN")
        assert len(await application.find("product.product", wanted, ["code"])) == 1
        with pytest.raises(LookupError, match="NO-SUCH"):
            await staff.archive_product("NO-SUCH")

    async def test_a_duplicate_without_web_id_is_counted(self, application, staff):
        original = await enter_sale(application, "5007", [("CAP-BLK", 1, "24.49", [])], confirm=False)
        assert await staff.count_sales("5007") == 1
        assert await staff.count_sales("5007", reference="#5007") == 1
        # Tryton's copy drops both the web id and the reference; a careless hand puts the reference back.
        (copy,) = await application.call("sale.sale", "copy", [original])
        await application.call("sale.sale", "write", [copy], {"reference": "#5007"})
        assert await staff.count_sales("5007", reference="#5007") == 2
        assert await staff.count_sales("unheard-of") == 0
        assert await staff.read_sale("unheard-of") is None


class TestServer:
    async def test_a_forgotten_session_is_renewed(self, erp):
        async with Rpc(erp.url, erp.database, erp.login, erp.password) as rpc:
            await rpc._post("common.db.logout")
            assert await rpc.find("web.shop", [], ["name"])

    async def test_parallel_confirmations_make_one_invoice(self, application, erp, staff):
        sale = await enter_sale(application, "5010", [("CAP-BLK", 1, "24.49", [])], confirm=False)
        await application.press("sale.sale", "quote", [sale])
        logins = [Rpc(erp.url, erp.database, erp.login, erp.password) for _ in range(4)]
        try:
            await asyncio.gather(*(rpc.login() for rpc in logins))
            outcomes = await asyncio.gather(
                *(rpc.call("sale.sale", "confirm", [sale]) for rpc in logins), return_exceptions=True
            )
        finally:
            await asyncio.gather(*(rpc.close() for rpc in logins))
        assert outcomes.count(None) >= 1
        read = await staff.read_sale("5010")
        assert read is not None
        assert (len(read.invoices), len(read.shipments)) == (1, 1)

    async def test_a_wrong_password_does_not_lock_the_right_one_out(self, erp):
        for _ in range(2):
            with pytest.raises(Refused, match="password is wrong"):
                async with Rpc(erp.url, erp.database, erp.staff_login, "not-the-password"):
                    pass
        async with (
            asyncio.timeout(15),
            Rpc(erp.url, erp.database, erp.staff_login, erp.staff_password) as rpc,
        ):
            assert await rpc.find("web.shop", [], ["name"])

    async def test_state_is_kept_or_forgotten_as_asked(self, tmp_path):
        async with (
            TrytonServer(STATE, data_dir=tmp_path) as first,
            Rpc(first.url, first.database, first.login, first.password) as rpc,
        ):
            await enter_sale(rpc, "6001", [("CAP-BLK", 1, "24.49", [])], confirm=False)
        for fresh, count in ((False, 1), (True, 0)):
            async with (
                TrytonServer(STATE, data_dir=tmp_path, fresh=fresh) as again,
                Staff(again.url, again.database, again.staff_login, again.staff_password) as person,
            ):
                assert await person.count_sales("6001") == count

    async def test_started_again_it_is_the_same_erp(self, tmp_path):
        server = TrytonServer(STATE, data_dir=tmp_path)
        await server.start()
        try:
            before = server.url
            async with (
                Rpc(server.url, server.database, server.login, server.password) as rpc,
                Staff(server.url, server.database, server.staff_login, server.staff_password) as person,
            ):
                await enter_sale(rpc, "6002", [("CAP-BLK", 1, "24.49", [])], confirm=False)
                await server.stop()
                with pytest.raises(httpx.ConnectError):
                    await person.count_sales("6002")
                await server.start()
                assert server.url == before
                assert await person.count_sales("6002") == 1
                assert await rpc.find("sale.sale", [["web_id", "=", "6002"]], ["state"])
        finally:
            await server.stop()

    async def test_a_server_left_behind_is_ended_by_the_next(self, tmp_path):
        said: list[str] = []
        left = TrytonServer(STATE, data_dir=tmp_path)
        await left.start()
        try:
            async with TrytonServer(STATE, data_dir=tmp_path, fresh=False, say=said.append) as server:
                assert await asyncio.wait_for(left.wait(), 5) == 0
                assert server.pid != left.pid
                await server.check()
        finally:
            await left.stop()
        assert any("left behind" in line for line in said)

    async def test_stale_files_of_a_crash_do_no_harm(self, tmp_path):
        conf = tmp_path / "trytond.conf"
        # Our own process id: the file must not be believed blindly.
        (tmp_path / "trytond.pid").write_text(json.dumps({"pid": os.getpid(), "conf": str(conf)}))
        (tmp_path / "erp.sqlite-wal").write_bytes(b"half a log")
        (tmp_path / "erp.sqlite-shm").write_bytes(b"")
        async with TrytonServer(STATE, data_dir=tmp_path) as server:
            await server.check()

    async def test_a_taken_port_is_told(self, erp, tmp_path):
        taken = int(erp.url.rsplit(":", 1)[1])
        with pytest.raises(PreparationFailed, match="did not come up") as refusal:
            await TrytonServer(STATE, data_dir=tmp_path, port=taken).start()
        assert "in use" in str(refusal.value)


async def run_module(data_dir: Path) -> tuple[asyncio.subprocess.Process, dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.tryton", "--state-dir", str(STATE), "--data-dir", str(data_dir), "--fresh",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    return process, json.loads(await process.stdout.readline())


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> bool:
    for _ in range(100):
        if not is_there(pid):
            return True
        await asyncio.sleep(0.1)
    return False


class TestRunner:
    async def test_it_ends_at_once_while_it_is_still_preparing(self, tmp_path):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sandbox.tryton", "--state-dir", str(tmp_path),
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        while b"building" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0
        # What was begun is not taken for a template.
        assert [found for found in tmp_path.glob("template/*") if found.suffix != ".building"] == []

    async def test_it_prints_where_it_is_and_ends_on_sigterm(self, tmp_path):
        process, where = await run_module(tmp_path)
        async with Rpc(*(str(where[name]) for name in ("url", "database", "login", "password"))) as rpc:
            assert await rpc.find("web.shop", [["name", "=", "shop"]], ["name"])
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert await gone(int(str(where["pid"])))
        assert not (tmp_path / "trytond.pid").exists()

    async def test_a_killed_runner_takes_its_server_with_it(self, tmp_path):
        process, where = await run_module(tmp_path)
        process.kill()
        await process.wait()
        assert await gone(int(str(where["pid"])))
