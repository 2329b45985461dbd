"""What every page of the console works with."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from temporalio.client import Client

from config.settings import Settings
from domain.mapping import Mapping as FieldMapping
from store.database import Database
from store.errors import DatabaseUnavailable
from web.console.notes import Notes
from web.desk.looking import connections, in_words
from web.desk.operations import CannotBeDone, Taken, reached
from workflows.messages import OperatorAnswer

Found = TypeVar("Found")
PATIENCE_SECONDS = 20.0
"""How long somebody waits for the answer to a decision before they are told that it is on its way."""
LOOK_SECONDS = 8.0
"""How long a page waits for Temporal, and for the orders' workers, before it shows what it knows without them."""
READ_SECONDS = 10.0
READERS = 16
WRITERS = 2
"""Writers queue behind one another in the store: more of them would leave no thread to readers."""
CONNECTED = timedelta(seconds=5)


@dataclass(frozen=True)
class Parts:
    """The parts of a running console. ``client`` connects at its first call; ``files`` are the mappings by channel."""

    settings: Settings
    database: Database
    client: Client
    files: Mapping[str, FieldMapping]
    patience: float = PATIENCE_SECONDS
    look_seconds: float = LOOK_SECONDS
    notes: Notes = field(default_factory=Notes)
    _readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS, "console"))
    _writing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WRITERS))

    async def read(self, query: Callable[[Database], Found]) -> Found:
        """What a query of the store finds. Raises DatabaseUnavailable."""
        asked = asyncio.get_running_loop().run_in_executor(self._readers, query, self.database)
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asked
        except TimeoutError as error:
            raise DatabaseUnavailable(f"no answer within {READ_SECONDS:.0f} s") from error

    async def write(self, work: Awaitable[Found]) -> Found:
        """Do what changes the store, a few at a time. Raises what it does."""
        async with self._writing:
            return await work

    async def look(self, at: Awaitable[Found]) -> Found:
        """What Temporal and the orders' workers tell. Raises CannotBeDone, also where that takes too long."""
        try:
            async with asyncio.timeout(self.look_seconds):
                return await at
        except TimeoutError as error:
            words = (
                f"Temporal, or a worker that tells of orders, did not answer within {self.look_seconds:.0f} s"
            )
            raise CannotBeDone(words) from error

    async def connected(self) -> None:
        """Raises CannotBeDone where Temporal is away: before something is kept that is then told to nobody."""
        await self.look(reached(self.client.service_client.check_health(timeout=CONNECTED)))

    async def told(self, answer: OperatorAnswer) -> OperatorAnswer:
        """An answer as people are told it: one that is still to come says what it waits for."""
        if not isinstance(answer, Taken):
            return answer
        try:
            known = await self.read(connections)
        except DatabaseUnavailable:
            known = {}
        return in_words(answer, known, self.settings)

    def close(self) -> None:
        """End its threads."""
        self._readers.shutdown(wait=False, cancel_futures=True)
