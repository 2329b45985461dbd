"""A worker of a coming release, for the drill of an upgrade: ours, and each order begins with one step more.

The step stands behind a patch, as CONTRIBUTING asks: orders that older workers began must go on without it. Without the
patch, each of them would contradict its own history.
"""

import asyncio
import logging
import signal
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from config.settings import load_settings
from workers.worker import run_worker
from workflows.messages import ORDER_WORKFLOW

PATCH: Final = "drill-one-step-more"
"""Name of the patch in an order's history."""
_MOMENT: Final = timedelta(milliseconds=100)


class OneStepMore(Interceptor):
    """Changes what an order does, for every worker that it is given to."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002  the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """See ``Interceptor``."""
        del input
        return _BeginsLater


class _BeginsLater(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002  the SDK's name
        # The feed and the sweep outlive the drill, whose workers are not there any more to carry them.
        if workflow.info().workflow_type == ORDER_WORKFLOW and workflow.patched(PATCH):
            await workflow.sleep(_MOMENT)
        return await super().execute_workflow(input)


async def _run() -> None:
    stop = asyncio.Event()
    for asked in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(asked, stop.set)
    await run_worker(load_settings(), stop, interceptors=[OneStepMore()])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run())
