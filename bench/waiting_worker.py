"""The worker of ``bench.waiting``: the real one, with empty systems behind it, as orders that wait call none.

It says ``ready`` and works until SIGTERM.

Usage: ``python -m bench.waiting_worker TEMPORAL DATABASE_URL CACHED METRICS_PORT``.
"""

import asyncio
import signal
import sys
from datetime import timedelta

from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.payloads import DATA_CONVERTER
from bench.world import CHANNEL
from config.mappings import load_mapping
from store.database import Database
from store.mappings import MappingCatalog
from workers.composition import Parts
from workers.worker import workers


async def work(temporal: str, database_url: str, cached: int, metrics_port: int) -> None:
    """Answer for the orders until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    prometheus = PrometheusConfig(bind_address=f"127.0.0.1:{metrics_port}")
    client = await Client.connect(
        temporal,
        data_converter=DATA_CONVERTER,
        runtime=Runtime(telemetry=TelemetryConfig(metrics=prometheus)),
    )
    database = Database(database_url)
    catalog = MappingCatalog(database, {CHANNEL: load_mapping("shopify-tryton")})
    parts = Parts(database, {CHANNEL: MemoryStorefront(CHANNEL)}, MemoryErp(), catalog)
    async with workers(client, parts, feed_interval=timedelta(seconds=1), cached_orders=cached):
        print("ready", flush=True)
        await stop.wait()
    database.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
