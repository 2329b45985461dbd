"""Which version of the code a worker runs, for Temporal's Worker Versioning: an order lives longer than a release.

Orders go on with the version that is current (auto-upgrade), in the middle of their lives: what is recorded must
replay, so a change of what a workflow does is patched (CONTRIBUTING). Versions say when that happens, and allow the
way back.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from workflows.messages import ORDERS_QUEUE

DEPLOYMENT: Final = "orderwright"
"""Name of the worker deployment in Temporal."""
FRESH: Final = timedelta(minutes=2)
"""Temporal hears of a living poller at least once a minute."""
PATIENCE: Final = timedelta(seconds=10)
"""A worker that has just been started is not known at once."""
_PAUSE: Final = timedelta(seconds=0.5)


class NoSuchVersion(Exception):
    """No worker of that version asks for work; the message says what to do."""


@dataclass(frozen=True)
class Carriers:
    """Whose workers carry the orders, by build id; None stands for workers without a version."""

    current: str | None
    """Orders go on with these, whether or not there are any."""
    polling: frozenset[str | None]
    """There are workers of these."""


def named(build_id: str | None) -> str:
    """Workers of a build, in words."""
    return "workers without a version" if build_id is None else f"workers of build {build_id}"


def deployment_config(build_id: str | None) -> WorkerDeploymentConfig | None:
    """How a worker of a build says so; None for workers without a version."""
    if build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def pollers(client: Client) -> list[PollerInfo]:
    """Workers that lately asked for orders. Raises RPCError."""
    return (await _described(client))[1]


async def carriers(client: Client) -> Carriers:
    """Ask Temporal. Raises RPCError."""
    current, polling = await _described(client)
    return Carriers(current, frozenset(map(_build_of, polling)))


async def make_current(client: Client, build_id: str | None, patience: timedelta = PATIENCE) -> None:
    """Have new and running workflows go on with the workers of a build; None: with those without a version.

    Raises NoSuchVersion where there is no such worker within ``patience``, or it leaves a task queue to nobody that the
    version before polls and that has work; RPCError.
    """
    for pauses_left in reversed(range(1 + patience // _PAUSE)):
        reason = await _refused(client, build_id)
        if reason is None:
            return
        if pauses_left:
            await asyncio.sleep(_PAUSE.total_seconds())
    raise NoSuchVersion(f"orders do not go on with {named(build_id)}: {reason}")


async def _refused(client: Client, build_id: str | None) -> str | None:
    """Make a version current; returns why that cannot be (yet), in words."""
    if build_id not in (await carriers(client)).polling:
        start = "without" if build_id is None else "with"
        value = "" if build_id is None else f"={build_id}"
        return f"none polls; start one {start} ORDERWRIGHT_TEMPORAL__BUILD_ID{value}"
    try:
        await client.workflow_service.set_worker_deployment_current_version(
            SetWorkerDeploymentCurrentVersionRequest(
                namespace=client.namespace,
                deployment_name=DEPLOYMENT,
                build_id=build_id or "",
                identity=client.service_client.config.identity or DEPLOYMENT,
            )
        )
    except RPCError as error:
        if build_id is None and error.status is RPCStatusCode.NOT_FOUND:
            return None  # no worker ever had a version: those without one carry the orders anyway
        if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
            raise
        return error.message
    return None


async def _described(client: Client) -> tuple[str | None, list[PollerInfo]]:
    """The build that is current, and who asked for orders lately."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=ORDERS_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    now = datetime.now(UTC)
    fresh = [each for each in described.pollers if now - last_polled(each) <= FRESH]
    return described.versioning_info.current_deployment_version.build_id or None, fresh


def last_polled(poller: PollerInfo) -> datetime:
    """When a worker asked last."""
    return poller.last_access_time.ToDatetime(tzinfo=UTC)


def _build_of(poller: PollerInfo) -> str | None:
    options = poller.deployment_options
    versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return options.build_id if versioned else None
