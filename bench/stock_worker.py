"""The worker of ``bench.stock``: the real one, between the tables and a storefront with a bucket of points before it.

It says ``ready``, then a line a call of the storefront that was paid for, and works until it is ended.

Usage: ``python -m bench.stock_worker TEMPORAL DATABASE_URL SKUS``.
"""

import asyncio
import signal
import sys
from datetime import timedelta

from temporalio.client import Client

from adapters.memory.erp import MemoryErp
from adapters.payloads import DATA_CONVERTER
from bench.stock_shop import ThrottledShop
from bench.stock_tables import mapping
from bench.world import CHANNEL
from store.database import Database
from store.mappings import MappingCatalog
from workers.composition import Parts
from workers.worker import workers


async def work(temporal: str, database_url: str, skus: int) -> None:
    """Compare until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(temporal, data_converter=DATA_CONVERTER)
    database = Database(database_url)

    def told(call: str, points: int) -> None:
        print(call, points, flush=True)

    shop = ThrottledShop(CHANNEL, skus, told)
    parts = Parts(database, {CHANNEL: shop}, MemoryErp(), MappingCatalog(database, {CHANNEL: mapping()}))
    async with workers(client, parts, feed_interval=timedelta(seconds=1)):
        print("ready", flush=True)
        await stop.wait()
    database.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
