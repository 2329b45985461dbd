"""What every page of the console works with."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from temporalio.client import Client

from config.settings import Settings
from domain.mapping import Mapping as FieldMapping
from store.database import Database
from web.desk.looking import connections, in_words
from web.desk.operations import Taken
from workflows.messages import OperatorAnswer

Found = TypeVar("Found")
PATIENCE_SECONDS = 20.0
"""How long somebody waits for the answer to a decision before they are told that it is on its way."""


@dataclass(frozen=True)
class Desk:
    """The parts of a running console. ``client`` connects at its first call; ``files`` are the mappings by channel."""

    settings: Settings
    database: Database
    client: Client
    files: Mapping[str, FieldMapping]
    patience: float = PATIENCE_SECONDS

    async def read(self, query: Callable[[Database], Found]) -> Found:
        """What a query of the store finds. Raises DatabaseUnavailable."""
        return await asyncio.to_thread(query, self.database)

    async def told(self, answer: OperatorAnswer) -> OperatorAnswer:
        """An answer as people are told it: one that is still to come says what it waits for."""
        if not isinstance(answer, Taken):
            return answer
        return in_words(answer, await self.read(connections), self.settings)
