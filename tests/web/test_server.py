"""The whole web process on a real port, with a real Temporal that may be away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from adapters.memory.webhooks import MemoryWebhooks
from adapters.payloads import DATA_CONVERTER
from config.setting_groups import ChannelSettings, StorefrontVendor, TemporalSettings, WebSettings
from config.settings import Settings, SettingsError
from sandbox.processes import free_port
from sandbox.stack import find_temporal
from store.database import Database
from store.inbox import Inbox, InboxState
from web.server import run_web
from web.serving import listening
from workflows.messages import StorefrontChanged
from workflows.order_state import OrderStart
from workflows.search import ALL as SEARCH_ATTRIBUTES

SECRET = "a secret of ours"
STOREFRONT = MemoryWebhooks(SECRET)


def settings_for(folder: Path, temporal_port: int, web_port: int) -> Settings:
    return Settings(
        _env_file=None,
        database_url=SecretStr(f"sqlite:///{folder / 'store.db'}"),
        temporal=TemporalSettings(address=f"127.0.0.1:{temporal_port}"),
        channels={
            "shop": ChannelSettings(
                vendor=StorefrontVendor.MEMORY,
                url="http://127.0.0.1:1",
                access_token=SecretStr("t"),
                webhook_secret=SecretStr(SECRET),
            )
        },
        web=WebSettings(host="127.0.0.1", port=web_port),
    )


@asynccontextmanager
async def web_process(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    stop = asyncio.Event()
    running = asyncio.create_task(run_web(settings, stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.web.port}") as client:
        try:
            await until(lambda: _listens(settings.web.port) or running.done())
            yield client
        finally:
            stop.set()
            await asyncio.wait_for(running, 30)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  the conditions look outside
            await asyncio.sleep(0.05)


async def deliver(web: httpx.AsyncClient, number: int, order: str) -> dict[str, str]:
    raw, headers = STOREFRONT.write(f"d{number}", "orders/create", order)
    answer = await web.post("/webhooks/shop", content=raw, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_webhooks_taken_while_temporal_is_away_reach_their_workflows_later(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, free_port(), free_port())
    inbox = Inbox(database := Database(settings.database))
    async with web_process(settings) as web:
        assert [
            (await deliver(web, n, order))["status"] for n, order in enumerate(["5001", "5001", "5002"])
        ] == ["received"] * 3
        assert (await deliver(web, 0, "5001"))["status"] == "duplicate"
        report = (await web.get("/readyz")).json()
        assert (report["ready"], report["temporal"]["ok"], report["inbox"]["pending"]) == (True, False, 3)
        assert "ORDERWRIGHT_TEMPORAL__ADDRESS" in report["temporal"]["remedy"]

        server = await WorkflowEnvironment.start_local(
            port=int(settings.temporal.address.split(":")[1]),
            dev_server_existing_path=find_temporal(),
            data_converter=DATA_CONVERTER,
            search_attributes=SEARCH_ATTRIBUTES,
        )
        async with server:
            await until(lambda: inbox.counts()[InboxState.DISPATCHED] == 3)
            assert (await web.get("/readyz")).json()["temporal"]["ok"] is True
            assert await signals_of(server.client, "order:shop:5001") == {"d0", "d1"}
            assert await signals_of(server.client, "order:shop:5002") == {"d2"}
    database.close()


async def signals_of(client: Client, workflow_id: str) -> set[str]:
    """Message ids in the history of an order that nobody works on; checks how it was started."""
    handle = client.get_workflow_handle(workflow_id)
    description = await handle.describe()
    assert description.status is WorkflowExecutionStatus.RUNNING
    assert (description.workflow_type, description.task_queue) == ("OrderWorkflow", "orders")
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert (attributes["Channel"], attributes["OrderState"]) == ("shop", "working")
    assert "OrderNumber" not in attributes, "these webhooks do not say it"
    assert await description.static_summary() == f"Order {workflow_id.rpartition(':')[2]} of shop"
    found: set[str] = set()
    async for event in handle.fetch_history_events():
        if event.HasField("workflow_execution_started_event_attributes"):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            (start,) = await client.data_converter.decode(payloads, [OrderStart])
            assert start.key.workflow_id == workflow_id
        if event.HasField("workflow_execution_signaled_event_attributes"):
            signaled = event.workflow_execution_signaled_event_attributes
            assert signaled.signal_name == "storefront_changed"
            (message,) = await client.data_converter.decode(signaled.input.payloads, [StorefrontChanged])
            assert message.topic == "orders/create"
            found.add(message.message_id)
    return found


async def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_for(tmp_path, free_port(), taken.getsockname()[1])
        with pytest.raises(SettingsError, match="ORDERWRIGHT_WEB__PORT"):
            await run_web(settings, asyncio.Event())


async def test_without_a_channel_there_is_nothing_to_serve(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, free_port(), free_port()).model_copy(update={"channels": {}})
    with pytest.raises(SettingsError, match="no channel is set"):
        await run_web(settings, asyncio.Event())


def test_answers_are_sent_at_once() -> None:
    """Without TCP_NODELAY, which accepted connections inherit, an answer's body waits 40 ms for an acknowledgement."""
    with listening(WebSettings(port=0), "web") as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
