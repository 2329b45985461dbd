"""How fast the ERP is alone: the same sales, sent to it through its adapter by as many callers as a worker has."""

import asyncio
import time

from adapters.ports import ErpPort
from adapters.registry import build_erp, build_storefront
from config.mappings import load_mapping
from config.settings import load_settings
from domain.erp_order import SalesOrder
from domain.order import OrderKey
from domain.planning import plan_sales_order
from sandbox.addresses import CHANNEL
from sandbox.house import House
from sandbox.processes import free_port
from workers.worker import ERP_CALLS_AT_ONCE


async def seconds_alone(house: House, sample: str, count: int) -> float:
    """Seconds that the memory ERP's twin needs for so many sales like that of the order ``sample``.

    A twin, in a process of its own with empty books and the same pace: sales that no storefront knows have no place
    in the books that are looked at afterwards.
    """
    settings = load_settings(house.stack.env_file)
    storefront = build_storefront(CHANNEL, settings)
    try:
        order = await storefront.read_order(sample)
    finally:
        await storefront.close()
    sale = plan_sales_order(order, load_mapping(settings.channel(CHANNEL).mapping))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    twin = house.stack.served_memory_erp("twin", url)
    await twin.start()
    try:
        erp_settings = settings.require_erp().model_copy(update={"url": url})
        erp = build_erp(settings.model_copy(update={"erp": erp_settings}))
        try:
            return await _send(erp, sale, count)
        finally:
            await erp.close()
    finally:
        await twin.stop()


async def _send(erp: ErpPort, sale: SalesOrder, count: int) -> float:
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            key = OrderKey(channel=CHANNEL, external_id=f"alone-{number}")
            await erp.submit_order(sale.model_copy(update={"key": key}))

    began = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(ERP_CALLS_AT_ONCE)))
    return time.monotonic() - began
