"""As much of Temporal as orders need, in this process and with nobody waiting: runs by id, and a client to reach them.

What the house's own code asks of a ``Client`` (start with a signal, signal, describe) is here in the same words.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from tests.machine.run import CONVERTER, Answered, Run


class TinyTemporal:
    """All runs of one workflow type."""

    def __init__(self, workflow: type, clock: Callable[[], datetime]) -> None:
        self._workflow, self._clock = workflow, clock
        self.runs: dict[str, list[Run]] = {}
        self._told: list[Callable[[], None]] = []
        """What clients have said and no run has heard yet."""

    def running(self, workflow_id: str) -> Run | None:
        """The run that goes on under this id, if any."""
        runs = self.runs.get(workflow_id)
        return runs[-1] if runs and runs[-1].outcome is None else None

    def all_running(self) -> list[Run]:
        return [runs[-1] for runs in self.runs.values() if runs[-1].outcome is None]

    def go_on(self) -> None:
        """Tell the runs what was said, start what one asked to go on as, and fire the timers that are due."""
        while self._told:
            self._told.pop(0)()
        for run in self.all_running():
            run.fire_due_timers()
        for runs in self.runs.values():
            if runs[-1].goes_on_as is not None:
                runs.append(self._make(runs[-1].workflow_id, len(runs), runs[-1].goes_on_as))
                runs[-1].begin()

    def update(self, workflow_id: str, name: str, update_id: str, argument: Any) -> Answered:
        """Raises RPCError where nothing runs."""
        return self._known(workflow_id).update(name, update_id, argument)

    def forget_all(self) -> None:
        """The worker dies."""
        for run in self.all_running():
            run.forget()

    def close(self) -> None:
        for runs in self.runs.values():
            for run in runs:
                run.forget()

    # -- what a client does ------------------------------------------------------------------------------------------

    async def start_workflow(
        self,
        workflow: str,
        argument: Any,
        *,
        id: str,  # noqa: A002  as the client has it
        start_signal: str,
        start_signal_args: Sequence[Any],
        **_others: Any,
    ) -> None:
        """Signal with start."""
        run = self.running(id)
        if run is not None:
            self._told.append(lambda: run.signal(start_signal, *start_signal_args))
            return
        (payload,) = CONVERTER.to_payloads([argument])
        runs = self.runs.setdefault(id, [])
        new = self._make(id, len(runs), payload)
        runs.append(new)
        self._told.append(lambda: new.begin(start_signal, start_signal_args[0]))

    def get_workflow_handle(self, workflow_id: str) -> "_Handle":
        return _Handle(self, workflow_id)

    def _known(self, workflow_id: str) -> Run:
        run = self.running(workflow_id)
        if run is None:
            raise RPCError(f"nothing runs as {workflow_id}", RPCStatusCode.NOT_FOUND, b"")
        return run

    def _make(self, workflow_id: str, number: int, payload: Any) -> Run:
        return Run(self._workflow, workflow_id, f"{workflow_id}/{number}", payload, self._clock)


class _Handle:
    def __init__(self, temporal: TinyTemporal, workflow_id: str) -> None:
        self._temporal, self._id = temporal, workflow_id

    async def signal(self, name: str, *arguments: Any, **_others: Any) -> None:
        run = self._temporal._known(self._id)
        self._temporal._told.append(lambda: run.signal(name, *arguments))

    async def describe(self, **_others: Any) -> Any:
        runs = self._temporal.runs.get(self._id)
        if not runs:
            raise RPCError(f"there is no {self._id}", RPCStatusCode.NOT_FOUND, b"")
        last = runs[-1]
        status = (
            WorkflowExecutionStatus.RUNNING if last.outcome is None else WorkflowExecutionStatus.COMPLETED
        )
        return SimpleNamespace(status=status, typed_search_attributes=last.attributes)
