"""What a log line says: which order it concerns, and nothing that is a secret or a buyer's."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from adapters.concern import concern, concerned, concerning, order_of
from config.setting_groups import ErpSettings, ErpVendor, LogSettings
from config.settings import Settings
from orderwright.logs import configure_logs, masking, secrets_of
from workers.observation import Observation

log = logging.getLogger("orderwright.test")


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """Give logging back as it was: the handler writes into a stream that ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_the_order_of_the_present_work_is_on_every_line_of_it(capsys):
    configure_logs(LogSettings(format="json"))
    with concerning(order="shop:5001", delivery="d1"):
        log.info("within")
    log.info("after")
    within, after = told(capsys)
    assert (within["order"], within["delivery"]) == ("shop:5001", "d1")
    assert "order" not in after


async def test_a_task_and_a_thread_that_start_in_it_say_so_too(capsys):
    configure_logs(LogSettings(format="json"))

    async def work() -> None:
        concern(attempt=2)  # stays in this task
        await asyncio.to_thread(log.info, "from a thread")

    with concerning(order="shop:5001"):
        await asyncio.create_task(work())
        log.info("from outside")
    thread, outside = told(capsys)
    assert (thread["order"], thread["attempt"]) == ("shop:5001", 2)
    assert "attempt" not in outside


def test_extra_fields_are_written_out(capsys):
    configure_logs(LogSettings(format="json"))
    log.warning("refused", extra={"reason": "signature", "status": 401, "order": "shop:7"})
    (entry,) = told(capsys)
    assert (entry["reason"], entry["status"], entry["order"]) == ("signature", 401, "shop:7")


def test_what_temporal_itself_says_of_a_workflow_names_the_order(capsys):
    configure_logs(LogSettings(format="json"))
    about = {"workflow_id": "order:shop:5001", "workflow_type": "OrderWorkflow", "attempt": 3}
    log.warning("Failed activation", extra={"temporal_workflow": about})
    log.warning("Failed activation on workflow OrderWorkflow with ID order:shop:5002 and run ID 1-2")
    first, second = told(capsys)
    assert (first["order"], first["workflow"], first["attempt"]) == ("shop:5001", "OrderWorkflow", 3)
    assert "temporal_workflow" not in first
    assert second["order"] == "shop:5002"


def test_a_line_in_a_trace_names_it(capsys):
    configure_logs(LogSettings(format="json"))
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("work") as span:
        log.info("traced")
    (entry,) = told(capsys)
    assert entry["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)
    assert entry["span_id"] == trace.format_span_id(span.get_span_context().span_id)


def test_text_shows_the_order_before_the_message(capsys):
    configure_logs(LogSettings())
    with concerning(order="shop:5001"):
        log.info("read")
    log.info("not about one")
    about, not_about = capsys.readouterr().err.splitlines()
    assert about.endswith("orderwright.test: [shop:5001] read")
    assert not_about.endswith("orderwright.test: not about one")


@pytest.mark.parametrize("form", ["text", "json"])
def test_addresses_and_secrets_are_masked_wherever_they_stand(capsys, form):
    configure_logs(LogSettings(format=form), {"hunter2-is-long"})
    try:
        raise ValueError("wrong: ada@example.com, hunter2-is-long")  # noqa: TRY301
    except ValueError:
        log.exception(
            "mail to ada@example.com, Authorization: Bearer abcdefghijkl, postgresql://user:pa55word@host/db",
            extra={"answer": {"token": "shpat_0123456789abcdef", "words": ["bob@example.com"]}},
        )
    written = capsys.readouterr().err
    for secret in ("example.com", "hunter2", "abcdefghijkl", "pa55word", "shpat_0123456789abcdef"):
        assert secret not in written
    assert "ValueError" in written


def test_the_secrets_of_the_settings_are_known():
    settings = Settings(
        _env_file=None,
        database_url=SecretStr("postgresql://user:secret-database@host/name"),
        erp=ErpSettings(
            vendor=ErpVendor.MEMORY,
            url="http://erp.test",
            database="erp",
            login="orderwright",
            password=SecretStr("secret-erp"),
        ),
    )
    secrets = secrets_of(settings)
    assert "secret-erp" in secrets
    assert masking(secrets)("refused for secret-erp at postgresql://user:secret-database@host/name") == (
        "refused for *** at ***"
    )


def test_a_short_secret_does_not_mask_ordinary_words():
    assert masking({"abc"})("the abc of it") == "the abc of it"


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("order:shop:5001", "shop:5001"),
        ("with ID order:b2b_eu:77 and run", "b2b_eu:77"),
        ("erp-feed", None),
        ("Order 5001 of shop", None),
    ],
)
def test_an_order_is_found_in_a_workflow_id(text, order):
    assert order_of(text) == order


async def test_an_activity_names_its_order_also_in_what_is_said_after_it():
    seen: dict[str, object] = {}

    class Innermost(ActivityInboundInterceptor):
        def __init__(self) -> None:
            pass

        async def execute_activity(self, input: ExecuteActivityInput) -> None:  # noqa: A002  the SDK's name
            seen["within"] = dict(concerned())

    async def run() -> None:
        work = ExecuteActivityInput(fn=run, args=(), executor=None, headers={})
        await Observation().intercept_activity(Innermost()).execute_activity(work)
        seen["after"] = dict(concerned())

    environment = ActivityEnvironment()
    environment.info = ActivityEnvironment.default_info()
    object.__setattr__(environment.info, "workflow_id", "order:shop:5001")
    object.__setattr__(environment.info, "attempt", 2)
    await environment.run(run)
    assert seen["within"] == seen["after"]
    assert seen["within"]["order"] == "shop:5001"
    assert seen["within"]["attempt"] == 2
