"""A whole deployment for tests of the command line: a real Temporal server, a worker, both systems in memory."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from click.testing import Result
from temporalio.testing import WorkflowEnvironment
from typer.testing import CliRunner

from adapters.memory.world import storefront_at
from adapters.payloads import DATA_CONVERTER
from config.settings import Settings, load_settings
from domain.order import Order, OrderKey
from orderwright.cli import app
from sandbox.stack import find_temporal
from workers.worker import run_worker
from workflows.messages import ORDERS_QUEUE
from workflows.order import OrderWorkflow
from workflows.order_state import OrderStart
from workflows.search import ALL as SEARCH_ATTRIBUTES

if TYPE_CHECKING:
    from temporalio.client import Client

_worlds = count(1)


class Deployment:
    """Temporal and a worker in an event loop of their own thread; the command line runs in the test's."""

    def __init__(self, folder: Path, *, mapping: str = "shopify-tryton") -> None:
        self.folder = folder
        self._mapping = mapping
        self.env_file = folder / "env"
        # Memory systems live as long as the process: a deployment's sweep must not find the orders of an earlier one.
        self.world = f"http://{next(_worlds)}.memory.test"
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.client: Client | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001  raised again in the test's thread
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=find_temporal(),
            data_converter=DATA_CONVERTER,
            search_attributes=SEARCH_ATTRIBUTES,
        ) as environment:
            self.client = environment.client
            self._write_settings(environment.client.service_client.config.target_host)
            await asyncio.to_thread(self.call, "migrate")
            working = asyncio.create_task(run_worker(self.settings, self._stop))
            self._ready.set()
            await working

    def _write_settings(self, temporal: str) -> None:
        names = {
            "DATABASE_URL": f"sqlite:///{self.folder / 'orders.db'}",
            "TEMPORAL__ADDRESS": temporal,
            "TEMPORAL__UI_URL": "http://ui.test",
            "WEB__PORT": "0",
            "FEED_INTERVAL_SECONDS": "0.05",
            "CHANNELS__SHOP__VENDOR": "memory",
            "CHANNELS__SHOP__URL": self.world,
            "CHANNELS__SHOP__ACCESS_TOKEN": "secret-token",
            "CHANNELS__SHOP__WEBHOOK_SECRET": "secret-webhook",
            "CHANNELS__SHOP__MAPPING": self._mapping,
            "ERP__VENDOR": "memory",
            "ERP__URL": self.world,
            "ERP__DATABASE": "erp",
            "ERP__LOGIN": "orderwright",
            "ERP__PASSWORD": "secret-erp",
        }
        self.env_file.write_text("".join(f"ORDERWRIGHT_{name}={value}\n" for name, value in names.items()))

    @property
    def settings(self) -> Settings:
        return load_settings(self.env_file)

    def working_at(self, workflow_id: str) -> str:
        """What a workflow's activities are at, with the failures of their last attempts."""
        told = list[str]()

        async def look() -> None:
            described = await self.client.get_workflow_handle(workflow_id).describe()
            told.extend(str(each) for each in described.raw_description.pending_activities)

        self.inside(look)
        return f"{workflow_id}: {'; '.join(told) or 'no activity'}"

    def inside(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await work()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def place(self, order: Order) -> OrderKey:
        """As the dispatcher does after a webhook."""

        async def begin() -> None:
            storefront_at(self.world, order.key.channel).place(order)
            await self.client.start_workflow(
                OrderWorkflow.run,
                OrderStart(key=order.key),
                id=order.key.workflow_id,
                task_queue=ORDERS_QUEUE,
            )

        self.inside(begin)
        return order.key

    def call(self, *arguments: str, expect: int | None = 0) -> Result:
        """Run a command; ``expect`` is its exit status, None: any."""
        result = CliRunner().invoke(app, ["--env-file", str(self.env_file), *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert expect in {None, result.exit_code}, result.output
        return result

    def ask(self, *arguments: str, expect: int | None = 0):
        return json.loads(self.call(*arguments, "--json", expect=expect).stdout)

    def until(self, key: OrderKey, status: str) -> dict:
        for _ in range(100):
            told = self.ask("order", "show", str(key))
            if told["view"] and told["view"]["status"] == status:
                return told
            threading.Event().wait(0.1)
        raise AssertionError(told)
