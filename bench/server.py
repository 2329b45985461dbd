"""The Temporal server that is measured with: the dev server of this installation, and what it counts itself."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from adapters.payloads import DATA_CONVERTER
from sandbox.processes import free_port
from sandbox.stack import find_temporal
from workflows.search import ALL as SEARCH_ATTRIBUTES

SETTLE_SECONDS = 2.0
"""The server exports its counters with a delay of about a second."""
_ACTION = re.compile(r'^action\{action_type="([^"]+)",namespace="default".*\} (\d+)', re.MULTILINE)


@dataclass(frozen=True)
class Server:
    """A running server."""

    client: Client
    metrics: str

    async def actions(self) -> Counter[str]:
        """The server's own count of actions so far, by type."""
        await asyncio.sleep(SETTLE_SECONDS)
        async with httpx.AsyncClient() as http:
            text = (await http.get(self.metrics)).raise_for_status().text
        found: Counter[str] = Counter()
        for kind, count in _ACTION.findall(text):
            found[kind] += int(count)
        return found


def server_cpu() -> float | None:
    """Seconds of CPU that the server, this process's only child, has used; None where the system does not tell."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if int(fields[1]) == os.getpid():
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else None


@asynccontextmanager
async def running_server(directory: Path, *, on_file: bool) -> AsyncIterator[Server]:
    """Run one, in memory or on a SQLite file, as long as the block lasts."""
    port = free_port()
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=find_temporal(),
        dev_server_database_filename=str(directory / "temporal.sqlite") if on_file else None,
        dev_server_extra_args=["--metrics-port", str(port)],
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment:
        yield Server(environment.client, f"http://127.0.0.1:{port}/metrics")
