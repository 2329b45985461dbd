"""Adds to what the Temporal UI shows of a waiting order what the worker knows and the order cannot: that the system is
away, since when, and when it is asked again.

An order learns nothing of an outage, as each such message would be a part of its history. But the UI asks a worker for
the current details, and a worker knows its gates. Only the answer to the question changes, never the order.
"""

from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.worker import (
    HandleQueryInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from activities.gates import Gates

METADATA_QUERY = "__temporal_workflow_metadata"


class OutageNotices(Interceptor):
    """For the worker that carries orders."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002  the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """The interceptor of each workflow, which knows these gates."""
        del input
        gates = self._gates

        class Notices(WorkflowInboundInterceptor):
            async def handle_query(self, input: HandleQueryInput) -> Any:  # noqa: A002  the SDK's name
                answer = await super().handle_query(input)
                if input.query == METADATA_QUERY:
                    _add_notice(answer, gates)
                return answer

        return Notices


def _add_notice(metadata: WorkflowMetadata, gates: Gates) -> None:
    waits_on = getattr(workflow.instance(), "waits_on", None)
    system = waits_on() if waits_on is not None else None
    connection = gates.away(system) if system is not None else None
    if connection is None:
        return
    notice = f"**Right now** {connection.sentence(datetime.now(UTC))}. The order goes on by itself."
    metadata.current_details = f"{metadata.current_details}\n\n{notice}"
