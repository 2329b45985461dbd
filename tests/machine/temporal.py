"""As much of Temporal as orders need, in this process and with nobody waiting: runs by id, and a client to reach them.

What the house's own code asks of a ``Client`` (start with a signal, signal, describe) is here in the same words. What
runs ask of each other (start a child, signal another) is on its way until ``carry`` brings it there, in any sequence.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from temporalio.workflow import _Definition

from tests.machine.run import CONVERTER, Answered, ChildWanted, Run, SignalWanted


class TinyTemporal:
    """All runs of some workflow types."""

    def __init__(self, workflows: Sequence[type], clock: Callable[[], datetime]) -> None:
        self._workflows = {_Definition.must_from_class(each).name or "": each for each in workflows}
        self._clock = clock
        self.runs: dict[str, list[Run]] = {}
        self._told: list[Callable[[], None]] = []
        """What clients have said and no run has heard yet."""
        self._on_its_way: list[Callable[[], None]] = []
        """What runs asked of each other, and what became of it."""
        self._parents: dict[str, tuple[Run, ChildWanted]] = {}
        """Of a child that goes on: the run that asked for it."""

    def running(self, workflow_id: str) -> Run | None:
        """The run that goes on under this id, if any."""
        runs = self.runs.get(workflow_id)
        return runs[-1] if runs and runs[-1].outcome is None else None

    def all_running(self) -> list[Run]:
        return [runs[-1] for runs in self.runs.values() if runs[-1].outcome is None]

    def go_on(self) -> None:
        """Tell the runs what was said, start what one asked to go on as, and fire the timers that are due."""
        self._follow()
        while self._told:
            self._told.pop(0)()
            self._follow()
        for run in self.all_running():
            run.fire_due_timers()
        self._follow()

    @property
    def on_its_way(self) -> int:
        """How many things runs have asked of each other that have not arrived."""
        return len(self._on_its_way)

    def carry(self, place: int = 0) -> None:
        """One of those arrives."""
        self._on_its_way.pop(place)()
        self._follow()

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
        new = self._make(workflow, id, payload)
        self._told.append(lambda: new.begin(start_signal, start_signal_args[0]))

    def get_workflow_handle(self, workflow_id: str) -> "_Handle":
        return _Handle(self, workflow_id)

    def _known(self, workflow_id: str) -> Run:
        run = self.running(workflow_id)
        if run is None:
            raise RPCError(f"nothing runs as {workflow_id}", RPCStatusCode.NOT_FOUND, b"")
        return run

    def _make(self, workflow: str, workflow_id: str, payload: Any) -> Run:
        runs = self.runs.setdefault(workflow_id, [])
        run_id = f"{workflow_id}/{len(runs)}"
        runs.append(Run(self._workflows[workflow], workflow_id, run_id, payload, self._clock))
        return runs[-1]

    # -- what runs ask of each other ---------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Take up what the runs asked for, and what they came to."""
        for runs in list(self.runs.values()):
            last = runs[-1]
            for asked in last.wanted:
                self._on_its_way.append(self._errand(last, asked))
            last.wanted = []
            if last.goes_on_as is not None:
                self._make(last.workflow, last.workflow_id, last.goes_on_as).begin()
                self._follow()
                return
            if last.outcome is not None and last.workflow_id in self._parents:
                parent, asked = self._parents.pop(last.workflow_id)
                self._on_its_way.append(self._to(parent, _end_of(parent, asked, last)))

    def _errand(self, run: Run, asked: ChildWanted | SignalWanted) -> Callable[[], None]:
        if isinstance(asked, ChildWanted):
            return lambda: self._start_child(run, asked)
        return lambda: self._signal(run, asked)

    def _start_child(self, parent: Run, asked: ChildWanted) -> None:
        if self.running(asked.workflow_id) is not None:
            self._to(parent, lambda: parent.hear_of_child(asked, None))()
            return
        child = self._make(asked.workflow, asked.workflow_id, asked.start)
        self._parents[asked.workflow_id] = (parent, asked)
        self._on_its_way.append(lambda: None if child.begun else child.begin())
        # A server writes this down before the child has its first task.
        self._to(parent, lambda: parent.hear_of_child(asked, child.run_id))()

    def _signal(self, sender: Run, asked: SignalWanted) -> None:
        target = self.running(asked.workflow_id)
        if target is not None:
            target.pass_on(asked.name, asked.arguments)
            self._follow()
        arrived = target is not None
        self._on_its_way.append(self._to(sender, lambda: sender.hear_of_signal(asked, arrived=arrived)))

    @staticmethod
    def _to(run: Run, tell: Callable[[], None]) -> Callable[[], None]:
        """Tell a run; one that is over hears nothing."""
        return lambda: tell() if run.outcome is None else None


def _end_of(parent: Run, asked: ChildWanted, child: Run) -> Callable[[], None]:
    assert child.outcome is not None
    outcome = child.outcome
    return lambda: parent.hear_childs_end(asked, outcome)


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
