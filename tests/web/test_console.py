"""The console without any order under way: who may in, what it takes, and that it works while Temporal is away."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio import workflow
from temporalio.client import Client

from adapters.payloads import DATA_CONVERTER
from config.setting_groups import ConsoleSettings, TemporalSettings
from config.settings import Settings, SettingsError
from domain.case_guides import GUIDES, CaseAct
from domain.cases import CaseReport
from domain.certificate import SweepWindow, Tally
from domain.completeness import Explanation, Finding, Flow, Repair
from domain.mapping_rules import MappingRule
from domain.order import OrderKey
from domain.return_guides import RETURN_GUIDES
from domain.status import OrderStatus
from domain.stock_guides import STOCK_GUIDES
from domain.stock_rules import StockRules
from domain.sweep_guides import SWEEP_GUIDES
from sandbox.processes import free_port
from store.audit import AuditEntry, add_entry
from store.cases import Cases, report_case
from store.certificates import Certificates
from store.database import Database
from store.mapping_rules import MappingRules, add_rule
from store.order_view import OrderPatch, apply_patch
from tests.console import OWN_PAGE, PASSWORD, WHO, console, read
from tests.order_builder import sandbox_mapping
from web.console.acts import CASE_ACTS, ORDER_ACTS, RETURN_ACTS, Act
from web.console.pages import plain
from web.console.server import run_console
from workflows.customer_return import ReturnWorkflow
from workflows.order import OrderWorkflow

KEY = OrderKey(channel="shop", external_id="5001")
EVIL = "<script>alert(1)</script>"
ALL_GUIDES = (GUIDES, RETURN_GUIDES, STOCK_GUIDES, SWEEP_GUIDES)
AWAY = "Temporal cannot be reached: connection refused"


@pytest.fixture
def database(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    yield database
    database.close()


@pytest_asyncio.fixture
async def browser(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Temporal does not run."""
    client = await Client.connect(f"127.0.0.1:{free_port()}", lazy=True, data_converter=DATA_CONVERTER)
    async with console(client, database, sandbox_mapping()) as browser:
        yield browser


def keep_order(database: Database, key: OrderKey = KEY, number: str = "#1001", **changes: object) -> None:
    patch = OrderPatch(number=number, currency="USD", total=Decimal("59.88"), captured=Decimal(0)).model_copy(
        update={"status": OrderStatus.SUBMITTED, "waiting_for": "the warehouse"} | changes
    )
    with database.write() as session:
        apply_patch(session, key, 1, patch)
        entry = AuditEntry(
            key=key, once=f"{key}/1", actor="ERP", action="submit_order", text=f"Entered by {EVIL}"
        )
        add_entry(session, entry)


def open_case(database: Database, key: OrderKey | None = KEY) -> int:
    report = CaseReport(key=key, cause="product_unknown:erp:ABC-1", reason=f"No product {EVIL}")
    with database.write() as session:
        return report_case(session, report, step="submit_order" if key else "")


@pytest.mark.parametrize(
    "auth", [None, (WHO, "another password"), ("eve", PASSWORD), (WHO, ""), ("", ""), (WHO, "ä" * 12)]
)
async def test_a_stranger_sees_and_decides_nothing(
    database: Database, browser: httpx.AsyncClient, auth: tuple[str, str] | None
) -> None:
    case = open_case(database, None)
    browser.auth = httpx.BasicAuth(*auth) if auth else None
    for path in ("/", "/orders", "/orders/shop/5001", "/cases", f"/cases/{case}", "/returns", "/cases/x"):
        answer = await browser.get(path)
        assert "ABC-1" not in read(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Basic ")
    await browser.post(f"/cases/{case}/retry", data={"reason": "mended"})
    assert [each.id for each in Cases(database).list()] == [case]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere"},
        {"Origin": ""},
        {"Origin": "http://console", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://console", "Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
async def test_a_page_of_somebody_else_decides_nothing_with_a_browser_of_ours(
    database: Database, browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    case = open_case(database, None)
    answer = await browser.post(f"/cases/{case}/retry", data={"reason": "mended"}, headers=headers)
    assert "did not come from a page of the console" in read(answer, 403)
    assert [each.id for each in Cases(database).list()] == [case]
    for own in (OWN_PAGE, {"Origin": "https://proxy", "Sec-Fetch-Site": "same-origin"}):
        read(await browser.post(f"/cases/{case}/assign", data={"to": "kim"}, headers=own))
    await browser.post(f"/cases/{case}/retry", data={"reason": "mended"})
    assert Cases(database).list() == ()
    resolved = Cases(database).get(case)
    assert resolved is not None
    assert (resolved.summary.resolved_by, resolved.summary.assigned_to) == (WHO, "kim")


async def test_pages_run_nothing_and_words_from_outside_stay_words(
    database: Database, browser: httpx.AsyncClient
) -> None:
    keep_order(database, number=EVIL)
    case = open_case(database)
    for path in ("/", "/orders", "/orders/shop/5001", f"/cases/{case}", "/cases", f"/orders?named={EVIL}x"):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert "<script" not in answer.text, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    assert (await browser.get("/style.css")).headers["content-type"].startswith("text/css")


async def test_while_temporal_is_away_what_was_written_down_is_shown_and_why_there_is_no_more(
    database: Database, browser: httpx.AsyncClient
) -> None:
    keep_order(database)
    case = open_case(database)
    today = read(await browser.get("/"))
    assert AWAY in today
    assert "Not known while Temporal does not answer" in today
    assert "ABC-1" in today
    order = read(await browser.get("/orders/shop/5001"))
    for words in (
        AWAY,
        "when the order changed last",
        "the warehouse",
        "USD 59.88",
        "Entered by",
        f"{case}: ",
    ):
        assert words in order, words
    assert "What can be done" not in order
    refused = await browser.post("/orders/shop/5001/hold", data={"reason": "x"})
    assert AWAY in read(refused, 409)
    assert AWAY in read(await browser.get("/returns"), 409)
    for name, form in (("retry", {}), ("map", {"value": "TEE-BLK-M"})):
        answer = await browser.post(f"/cases/{case}/{name}", data={"reason": "mended"} | form)
        assert AWAY in read(answer, 409)
    kept = Cases(database).get(case)
    assert kept is not None
    assert kept.tried == ()
    assert MappingRules(database).all("shopify-tryton") == ()


async def test_an_order_is_found_by_what_people_call_it(
    database: Database, browser: httpx.AsyncClient
) -> None:
    keep_order(database, erp_number="S00001")
    keep_order(database, OrderKey(channel="shop", external_id="5002"), number="#1002")
    calls = ("1001", "#1001", "S00001", "s00001", "5001", "shop:5001", " 5001 ", "50\x0001")
    for named in (*calls, "#1001-R1", "1001-RO2", "shop:5001:90005", "return:shop:5001:90005"):
        answer = await browser.get("/orders", params={"named": named}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/orders/shop/5001"), named
    for named in ("nobody", "shop:9", "shop:"):
        assert "5001" not in read(await browser.get("/orders", params={"named": named}))
    listed = read(await browser.get("/orders", params={"status": "submitted"}))
    assert "#1001" in listed
    assert "#1002" in listed
    assert "No orders." in read(await browser.get("/orders", params={"status": "closed"}))
    for anything in ({"status": ""}, {"status": "nonsense"}, {"channel": "sh\x00op"}):
        assert "#1002" in read(await browser.get("/orders", params=anything))


@pytest.mark.parametrize(
    ("acts", "taken"),
    [
        (ORDER_ACTS, set(workflow._Definition.must_from_class(OrderWorkflow).updates)),
        (RETURN_ACTS, set(workflow._Definition.must_from_class(ReturnWorkflow).updates)),
        (CASE_ACTS, set(CaseAct)),
    ],
)
def test_whatever_is_taken_has_a_button(acts: dict[str, Act], taken: set[str]) -> None:
    assert set(acts) == taken
    assert all(act.name == name for name, act in acts.items())


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            "Add it by its case (orderwright case resolve ... --map VALUE), or to the file.",
            "Add it by its case, or to the file.",
        ),
        ("Agree: resubmit (or orderwright return approve). Or not.", "Agree: resubmit. Or not."),
        ("Add the name by its case (--map VALUE), or to it.", "Add the name by its case, or to it."),
        ("Accepted (a cent): total (USD 1.00).", "Accepted (a cent): total (USD 1.00)."),
    ],
)
def test_what_the_command_line_calls_it_is_left_out(told: str, shown: str) -> None:
    assert plain(told) == shown


@pytest.mark.parametrize("fix", sorted({each.fix for guides in ALL_GUIDES for each in guides.values()}))
def test_no_page_says_how_the_command_line_calls_what_helps(fix: str) -> None:
    assert not re.search("orderwright | --", plain(fix))


async def test_a_long_list_is_leafed_through(database: Database, browser: httpx.AsyncClient) -> None:
    for number in range(5001, 5061):
        keep_order(database, OrderKey(channel="shop", external_id=str(number)), number=f"#{number}")
    first = await browser.get("/orders")
    assert 'href="/orders?skip=50"' in first.text
    second = await browser.get("/orders", params={"skip": 50})
    assert 'href="/orders?skip=0"' in second.text
    pages = [{word for word in read(page).split() if word.startswith("#")} for page in (first, second)]
    assert [len(page) for page in pages] == [50, 10]
    assert not pages[0] & pages[1]


@pytest.mark.parametrize(
    ("path", "form", "code", "words"),
    [
        ("/cases/{case}/retry", {}, 422, "say why"),
        ("/cases/{case}/retry", {"reason": "x" * 2001}, 422, "the reason has 2,001 characters"),
        ("/cases/{case}/map", {"reason": "x"}, 422, "say what it is mapped to"),
        ("/cases/{case}/burn", {"reason": "x"}, 404, "nothing is called 'burn' here"),
        (
            "/cases/{case}/approve",
            {"reason": "x"},
            409,
            "cannot be solved by approve; possible: retry, map, cancel",
        ),
        ("/cases/{case}/assign", {"to": "x" * 101}, 422, "the name has 101 characters"),
        ("/cases/{case}/cancel", {"reason": "x"}, 409, "what this page showed has changed since"),
        ("/cases/{case}/map", {"reason": "x", "value": "x" * 301}, 409, "the value has 301 characters"),
        ("/cases/77/retry", {"reason": "x"}, 404, "there is no case 77"),
        ("/cases/0/retry", {"reason": "x"}, 422, "number cannot be read"),
        ("/cases/99999999999999999999/retry", {"reason": "x"}, 422, "number cannot be read"),
        ("/cases/one/retry", {"reason": "x"}, 422, "number cannot be read"),
        ("/orders/shop/5001/burn", {}, 404, "nothing is called 'burn' here"),
        ("/orders/shop/5001/accept", {}, 422, "say why"),
        ("/orders/shop/5001/cancel", {"cancel.11": "some"}, 422, "'some' is no number of units"),
        ("/orders/shop/5001/cancel", {"cancel.11": "9" * 5000}, 422, "is no number of units"),
        ("/orders/shop/5001/cancel", {"cancel.11": "-1"}, 422, "'-1' is no number of units"),
        ("/orders/shop/5001/cancel", {}, 422, "say what is canceled"),
        ("/orders/shop/5001/cancel", {"cancel.11": "0", "cancel.12": ""}, 422, "say what is canceled"),
        ("/orders/shop/5001/cancel", {"cancel.11": "1", "all": "yes"}, 422, "all of it, or the units"),
        ("/orders/shop/5001/return", {"reason": "x"}, 422, "say what comes back"),
        ("/orders/shop/5001/return", {"reason": "x", "return.11": "0"}, 422, "say what comes back"),
        ("/orders/shop/5001/return", {"reason": "x", "lines": "TEE=" + "9" * 5000}, 409, "not of the form"),
        ("/orders/shop/5001/return", {"reason": "x", "lines": "TEE"}, 409, "not of the form SKU=UNITS"),
        ("/returns/shop/5001/90001/burn", {}, 404, "nothing is called 'burn' here"),
        ("/returns/shop/5001/90001/end", {}, 422, "say why"),
        ("/nowhere", {}, 404, "there is no such page"),
        ("/", {}, 405, "there is no such page"),
    ],
)
async def test_what_cannot_be_taken_is_refused_in_words(  # noqa: PLR0917
    database: Database, browser: httpx.AsyncClient, path: str, form: dict[str, str], code: int, words: str
) -> None:
    keep_order(database)
    case = open_case(database)
    answer = await browser.post(path.format(case=case), data=form)
    assert words in read(answer, code)
    found = Cases(database).get(case)
    assert found is not None
    assert found.tried == ()


@pytest.mark.parametrize("body", [b"\xff=1", b"a&b", b"x" * 70_000, b"&".join([b"a=1"] * 3_000)])
async def test_a_body_that_is_no_form_is_refused(
    database: Database, browser: httpx.AsyncClient, body: bytes
) -> None:
    case = open_case(database, None)
    answer = await browser.post(f"/cases/{case}/retry", content=body)
    assert answer.status_code in {400, 413}, answer.text
    assert len(Cases(database).list()) == 1


async def test_a_resolved_case_offers_nothing_and_says_by_whom_and_why(
    database: Database, browser: httpx.AsyncClient
) -> None:
    case = open_case(database, None)
    await browser.post(f"/cases/{case}/retry", data={"reason": "the product is there"})
    page = read(await browser.get(f"/cases/{case}"))
    assert f"by {WHO}: no order waited after retry: the product is there" in page
    assert "What can be done" not in page
    again = await browser.post(f"/cases/{case}/retry", data={"reason": "once more"})
    assert "Nothing was decided: the case is resolved." in read(again)
    assert f'href="/cases/{case}"' not in (await browser.get("/cases")).text
    assert f'href="/cases/{case}"' in (await browser.get("/cases?every=1")).text


async def test_a_rule_that_was_wrong_is_withdrawn(database: Database, browser: httpx.AsyncClient) -> None:
    rule = MappingRule(
        mapping="shopify-tryton",
        table="skus",
        key="ABC-1",
        value="TEE-BLK-M",
        actor="kim",
        reason=f"renamed {EVIL}",
        at=datetime.now(UTC),
        case_id=open_case(database, None),
    )
    with database.write() as session:
        add_rule(session, rule)
    shown = await browser.get("/rules")
    assert "<script" not in shown.text
    assert "[skus] ABC-1 TEE-BLK-M shopify-tryton kim" in read(shown)
    form = {"place": "[skus] ABC-1", "mapping": "shopify-tryton"}
    assert "say why" in read(await browser.post("/rules", data=form), 422)
    told = read(await browser.post("/rules", data=form | {"reason": "a mistake"}))
    assert "[skus] ABC-1 = TEE-BLK-M is withdrawn" in told
    assert "No rules" in told
    assert "no rule stands for" in read(await browser.post("/rules", data=form | {"reason": "twice"}), 409)
    (_, last) = MappingRules(database).all("shopify-tryton")
    assert (last.actor, last.withdrawn) == (WHO, True)


async def test_what_the_sweeps_counted_names_orders_and_what_to_do(
    database: Database, browser: httpx.AsyncClient
) -> None:
    assert "No sweep ended yet" in read(await browser.get("/sweeps"))
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    window = SweepWindow(since=noon, before=noon + timedelta(hours=1))
    finding = Finding(
        flow=Flow.ORDERS,
        key=KEY,
        number="#1001",
        explanation=Explanation.MISSED_WEBHOOK,
        sentence=f"no webhook told of it {EVIL}",
        repair=Repair.START,
    )
    tallies = [Tally(flow=Flow.ORDERS).add([finding]), Tally(flow=Flow.SHIPMENTS)]
    Certificates(database).keep("first", "shop", window, tallies, began=noon)
    shown = await browser.get("/sweeps")
    assert "<script" not in shown.text
    assert 'href="/orders/shop/5001"' in shown.text
    told = read(shown)
    for words in (tallies[0].sentence, "no webhook told of it", "its workflow was started or woken"):
        assert words in told, words


async def test_of_stock_is_said_where_it_is_told_to_nobody_or_the_sku_is_none(
    database: Database, browser: httpx.AsyncClient
) -> None:
    assert "Why is it shown so?" in read(await browser.get("/stock"))
    assert "set push = true in [stock]" in read(await browser.get("/stock?sku=MUG-LOGO"), 409)
    assert (await browser.get("/stock", params={"sku": "x" * 201})).status_code == 422
    pushing = sandbox_mapping().model_copy(update={"stock": StockRules(push=True)})
    client = await Client.connect(f"127.0.0.1:{free_port()}", lazy=True, data_converter=DATA_CONVERTER)
    async with console(client, database, pushing) as other:
        for sku in ("MUG-LOGO", EVIL):
            answer = await other.get("/stock", params={"sku": sku})
            assert "(shop) has shown such a SKU yet" in read(answer)
            assert "<script" not in answer.text


async def test_the_database_being_away_is_said_and_the_process_counts_as_alive(
    database: Database, browser: httpx.AsyncClient, tmp_path: Path
) -> None:
    database.close()
    (tmp_path / "store.db").unlink()
    assert "the database does not answer" in read(await browser.get("/cases"), 503)
    browser.auth = None
    assert (await browser.get("/healthz")).json() == {"status": "alive"}


async def test_it_is_served_until_it_is_stopped_and_only_for_people_who_were_named(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(f"sqlite:///{tmp_path / 'store.db'}"),
        temporal=TemporalSettings(address=f"127.0.0.1:{free_port()}"),
        console=ConsoleSettings(port=port),
    )
    database = Database(settings.database)
    database.migrate()
    database.close()
    with pytest.raises(SettingsError, match="ORDERWRIGHT_CONSOLE__USERS__<NAME>"):
        await run_console(settings, asyncio.Event())
    named = settings.model_copy(
        update={"console": ConsoleSettings(port=port, users={WHO: SecretStr(PASSWORD)})}
    )
    stop, serves = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_console(named, stop, lambda _address: serves.set()))
    await asyncio.wait_for(serves.wait(), 20)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/")).status_code == 401
        today = read(await client.get("/", auth=(WHO, PASSWORD)))
    assert f"{datetime.now(UTC):%Y-%m-%d}" in today
    stop.set()
    await asyncio.wait_for(running, 20)
