"""A sweep that a drill asks for, and the certificates it leaves."""

import asyncio
from uuid import uuid4

from temporalio.client import Client

from store.certificates import Certificate, Certificates
from store.database import Database
from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    SweepStart,
    sweep_id,
)
from workflows.sweep import SweepWorkflow


async def sweep(
    client: Client, database: Database, channel: str, hours: float | None = None
) -> tuple[Certificate, ...]:
    """Sweep a channel now, as ``orderwright sync run`` does; its certificates, one a flow."""
    handle = await client.start_workflow(
        SweepWorkflow.run,
        SweepStart(channel=channel, hours=hours),
        id=f"{sweep_id(channel)}/drill-{uuid4().hex[:8]}",
        task_queue=ORDERS_QUEUE,
        static_summary=f"Counts the orders of {channel} on both sides, asked for by a drill",
    )
    report = await handle.result()
    return await asyncio.to_thread(Certificates(database).of_sweep, report.sweep_id)
