"""A worker for the calls of one outside system, behind its gate."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import FixedSizeSlotSupplier, Worker, WorkerDeploymentConfig, WorkerTuner

from activities.gates import Gate
from workers.observation import Observation
from workers.slots import GatedSlots

GRACE = timedelta(seconds=10)
"""How long activities may finish after a stop was asked for."""
POLLS_AT_ONCE = 2
"""Of each outside system's queue: so many tasks may still come in after a gate has closed."""


def for_system(
    client: Client,
    queue: str,
    activities: Sequence[Callable[..., Any]],
    *,
    gate: Gate,
    at_once: int,
    version: WorkerDeploymentConfig | None,
    steps_per_second: float | None = None,
) -> Worker:
    """A worker of a queue. The rate is held by the server, for all workers together."""
    unused = FixedSizeSlotSupplier(1)
    return Worker(
        client,
        task_queue=queue,
        activities=activities,
        tuner=WorkerTuner.create_composite(
            workflow_supplier=unused,
            activity_supplier=GatedSlots(gate, at_once),
            local_activity_supplier=unused,
            nexus_supplier=unused,
        ),
        max_concurrent_activity_task_polls=POLLS_AT_ONCE,
        max_task_queue_activities_per_second=steps_per_second,
        interceptors=[Observation()],
        deployment_config=version,
        graceful_shutdown_timeout=GRACE,
    )
