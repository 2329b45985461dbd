"""One run of a real workflow without a server: the SDK's own machinery, given by hand what a server would give it.

What happened to the run is kept as its history. ``forget`` drops the instance as a worker that dies does; the next
thing that happens builds it again from the history, and each command must be the same as the first time.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.child_workflow import StartChildWorkflowExecutionFailedCause
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.common import Priority, TypedSearchAttributes
from temporalio.converter import decode_typed_search_attributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance
from temporalio.worker._workflow_instance import WorkflowInstanceDetails
from temporalio.workflow import Info, _Definition

from adapters.payloads import DATA_CONVERTER

CONVERTER = DATA_CONVERTER.payload_converter
FAILURES = DATA_CONVERTER.failure_converter


@dataclass
class Task:
    """An activity that the workflow asked for; ``attempt`` counts from 1, ``told`` is its last heartbeat."""

    seq: int
    name: str
    arguments: list[Payload]
    attempt: int = 1
    told: Sequence[Any] = ()


@dataclass(frozen=True)
class ChildWanted:
    """A workflow that the run asked to start as its child."""

    seq: int
    workflow: str
    workflow_id: str
    start: Payload


@dataclass(frozen=True)
class SignalWanted:
    """A signal that the run asked to send to another workflow."""

    seq: int
    workflow_id: str
    name: str
    arguments: tuple[Payload, ...]


@dataclass(frozen=True)
class Moment:
    """An entry of the history: what the run was told at once, and the commands it gave then."""

    told: WorkflowActivation
    commands: tuple[bytes, ...]
    patches: tuple[str, ...]
    """Those of the commands that mark a patch of the code."""


class Answered:
    """What became of an update."""

    def __init__(self) -> None:
        self.refused = ""
        self.accepted = False
        self.result: Payload | None = None


class Run:
    """``outcome`` is what it came to, None while it goes on; ``goes_on_as`` the input of the run that follows it."""

    def __init__(
        self, workflow: type, workflow_id: str, run_id: str, start: Payload, clock: Callable[[], datetime]
    ) -> None:
        self.workflow_id, self.run_id = workflow_id, run_id
        self.tasks: dict[int, Task] = {}
        self.wanted: list[ChildWanted | SignalWanted] = []
        """What it asked of other workflows, until somebody takes it on its way."""
        self.timers: dict[int, datetime] = {}
        self.outcome: Payload | None = None
        self.goes_on_as: Payload | None = None
        self.attributes = TypedSearchAttributes([])
        self.history: list[Moment] = []
        self.suggest_continue_as_new = False
        self.rebuilt = 0
        self._definition = _Definition.must_from_class(workflow)
        self.workflow = self._definition.name or ""
        self._start, self._clock = start, clock
        self._randomness = zlib.crc32(run_id.encode())
        self._began = clock()
        self._instance: WorkflowInstance | None = None
        self._early: list[WorkflowActivationJob] = []
        """Signals that came before its first task."""
        self._updates: dict[str, Answered] = {}
        self._answers: dict[str, tuple[int, Any]] = {}
        """To queries, and how long the history was."""

    # -- what a server tells a run -----------------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Whether it has had its first task; a child waits for it after it was started."""
        return bool(self.history)

    def begin(self, signal: str | None = None, argument: Any = None) -> None:
        """Start it, with a signal where one is given: both come at once, and what came before the first task."""
        jobs = [WorkflowActivationJob()]
        initialize = jobs[0].initialize_workflow
        initialize.workflow_type = self._definition.name or ""
        initialize.workflow_id = self.workflow_id
        initialize.arguments.append(self._start)
        initialize.randomness_seed = self._randomness
        initialize.attempt = 1
        initialize.start_time.FromDatetime(self._began)
        if signal is not None:
            jobs.append(self._signal(signal, CONVERTER.to_payloads([argument])))
        self._tell([*jobs, *self._early])

    def signal(self, name: str, *arguments: Any) -> None:
        self.pass_on(name, CONVERTER.to_payloads(arguments))

    def pass_on(self, name: str, arguments: Sequence[Payload]) -> None:
        """A signal as another workflow has sent it."""
        if self.begun:
            self._tell([self._signal(name, arguments)])
        else:
            self._early.append(self._signal(name, arguments))

    def hear_of_child(self, asked: ChildWanted, run_id: str | None) -> None:
        """A child was started; None: one of its id runs already."""
        job = WorkflowActivationJob()
        resolved = job.resolve_child_workflow_execution_start
        resolved.seq = asked.seq
        if run_id is not None:
            resolved.succeeded.run_id = run_id
        else:
            resolved.failed.workflow_id, resolved.failed.workflow_type = asked.workflow_id, asked.workflow
            resolved.failed.cause = StartChildWorkflowExecutionFailedCause.Value(
                "START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS"
            )
        self._tell([job])

    def hear_childs_end(self, asked: ChildWanted, outcome: Payload) -> None:
        """A child is done."""
        job = WorkflowActivationJob()
        job.resolve_child_workflow_execution.seq = asked.seq
        job.resolve_child_workflow_execution.result.completed.result.CopyFrom(outcome)
        self._tell([job])

    def hear_of_signal(self, asked: SignalWanted, *, arrived: bool) -> None:
        """A signal to another workflow arrived, or nothing runs there."""
        job = WorkflowActivationJob()
        job.resolve_signal_external_workflow.seq = asked.seq
        if not arrived:
            unknown = ApplicationError("Unable to signal external workflow because it was not found")
            FAILURES.to_failure(unknown, CONVERTER, job.resolve_signal_external_workflow.failure)
        self._tell([job])

    def ask_cancel(self) -> None:
        """Somebody asks Temporal itself to cancel the workflow."""
        job = WorkflowActivationJob()
        job.cancel_workflow.reason = "asked for"
        self._tell([job])

    def update(self, name: str, update_id: str, argument: Any) -> Answered:
        """What comes of it may be seen later. One that is refused is in no history."""
        if not self.begun:
            self.begin()
        answered = self._updates[update_id] = Answered()
        job = WorkflowActivationJob()
        update = job.do_update
        update.id = update.protocol_instance_id = update_id
        update.name, update.run_validator = name, True
        update.input.extend(CONVERTER.to_payloads([argument]))
        self._tell([job], unless_refused=answered)
        return answered

    def answer(self, task: Task, result: Any) -> None:
        """The activity is done."""
        job = _resolution(task)
        (payload,) = CONVERTER.to_payloads([result])
        job.resolve_activity.result.completed.result.CopyFrom(payload)
        self._tell_of(task, job)

    def refuse(self, task: Task, error: BaseException) -> None:
        """The activity has failed for good."""
        job = _resolution(task)
        failure = job.resolve_activity.result.failed.failure
        failure.message = "Activity task failed"
        failure.activity_failure_info.activity_type.name = task.name
        failure.activity_failure_info.activity_id = str(task.seq)
        FAILURES.to_failure(error, CONVERTER, failure.cause)
        self._tell_of(task, job)

    def fire_due_timers(self) -> None:
        for seq, due in sorted(self.timers.items(), key=lambda timer: timer[1]):
            if seq in self.timers and due <= self._clock():
                del self.timers[seq]
                job = WorkflowActivationJob()
                job.fire_timer.seq = seq
                self._tell([job])

    def query(self, name: str, returns: type) -> Any:
        """Asked again before anything happened, or was forgotten, it answers the same."""
        kept = self._answers.get(name)
        if kept is not None and kept[0] == len(self.history) and self._instance is not None:
            return kept[1]
        job = WorkflowActivationJob()
        job.query_workflow.query_id, job.query_workflow.query_type = "q", name
        (command,) = self._activate(self._alive(), self._activation([job]))
        answer = command.respond_to_query
        assert answer.HasField("succeeded"), f"query {name}: {answer.failed.message}"
        (value,) = CONVERTER.from_payloads([answer.succeeded.response], [returns])
        self._answers[name] = (len(self.history), value)
        return value

    def forget(self) -> None:
        """The worker's memory is gone; what was told is safe."""
        if self._instance is None:
            return
        job = WorkflowActivationJob()
        job.remove_from_cache.message = "the worker died"
        self._instance.activate(self._activation([job]))
        self._instance = None

    # -- parts -------------------------------------------------------------------------------------------------------

    def _signal(self, name: str, arguments: Sequence[Payload]) -> WorkflowActivationJob:
        job = WorkflowActivationJob()
        job.signal_workflow.signal_name = name
        job.signal_workflow.input.extend(arguments)
        job.signal_workflow.originating_event_id = 2 + 3 * len(self.history)
        return job

    def _tell_of(self, task: Task, job: WorkflowActivationJob) -> None:
        del self.tasks[task.seq]
        self._tell([job])

    def _tell(self, jobs: Sequence[WorkflowActivationJob], unless_refused: Answered | None = None) -> None:
        assert self.outcome is None, f"{self.workflow_id} is over"
        instance = self._alive()
        told = self._activation(jobs)
        commands = self._activate(instance, told)
        for command in commands:
            # A mark of a patch stands in the history alone, with the moment that it was set in.
            if not command.HasField("set_patch_marker"):
                self._obey(command)
        if unless_refused is None or not unless_refused.refused:
            self.history.append(Moment(told, tuple(map(_bytes, commands)), tuple(_patches(commands))))

    def _activation(self, jobs: Sequence[WorkflowActivationJob]) -> WorkflowActivation:
        told = WorkflowActivation(run_id=self.run_id, jobs=jobs, history_length=1 + 3 * len(self.history))
        told.timestamp.FromDatetime(self._clock())
        told.continue_as_new_suggested = self.suggest_continue_as_new
        return told

    def _activate(self, instance: WorkflowInstance, told: WorkflowActivation) -> list[WorkflowCommand]:
        done = instance.activate(told)
        assert not done.HasField("failed"), f"a workflow task failed: {_words(done.failed.failure)}"
        return list(done.successful.commands)

    def _alive(self) -> WorkflowInstance:
        """The instance; built again from its history where it was forgotten."""
        if self._instance is None:
            self._instance = self._make()
            self.rebuilt += bool(self.history)
            for number, moment in enumerate(self.history):
                again = WorkflowActivation()
                again.CopyFrom(moment.told)
                again.ClearField("jobs")
                # The server's core looks ahead in a history, and tells of its patches before it goes on.
                again.jobs.extend(map(_has_patch, moment.patches))
                again.jobs.extend(moment.told.jobs)
                again.is_replaying = True
                for job in again.jobs:
                    if job.HasField("do_update"):
                        job.do_update.run_validator = False
                commands = tuple(map(_bytes, self._activate(self._instance, again)))
                assert commands == moment.commands, f"replay of moment {number} gave other commands"
        return self._instance

    def _make(self) -> WorkflowInstance:
        details = WorkflowInstanceDetails(
            payload_converter_factory=lambda: CONVERTER,
            failure_converter_class=type(FAILURES),
            interceptor_classes=[],
            defn=self._definition,
            info=self._info(),
            randomness_seed=self._randomness,
            extern_functions={},
            disable_eager_activity_execution=True,
            worker_level_failure_exception_types=[],
            patch_activation_callback=None,
            last_completion_result=None,  # type: ignore[arg-type]
            last_failure=None,
        )

        async def make() -> WorkflowInstance:
            return UnsandboxedWorkflowRunner().create_instance(details)

        # The SDK asks which loop it is made in; any will do.
        coroutine = make()
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.close()

    def _info(self) -> Info:
        return Info(
            attempt=1,
            continued_run_id=None,
            cron_schedule=None,
            execution_timeout=None,
            first_execution_run_id=self.run_id,
            headers={},
            namespace="default",
            original_execution_run_id=self.run_id,
            parent=None,
            root=None,
            priority=Priority.default,
            raw_memo={},
            retry_policy=None,
            run_id=self.run_id,
            run_timeout=None,
            search_attributes={},
            start_time=self._began,
            workflow_start_time=self._began,
            task_queue="orders",
            task_timeout=timedelta(seconds=10),
            typed_search_attributes=TypedSearchAttributes([]),
            workflow_id=self.workflow_id,
            workflow_type=self._definition.name or "",
        )

    def _obey(self, command: WorkflowCommand) -> None:
        match command.WhichOneof("variant"):
            case "schedule_activity":
                asked = command.schedule_activity
                self.tasks[asked.seq] = Task(asked.seq, asked.activity_type, list(asked.arguments))
            case "start_timer":
                wait = command.start_timer.start_to_fire_timeout.ToTimedelta()
                self.timers[command.start_timer.seq] = self._clock() + wait
            case "cancel_timer":
                self.timers.pop(command.cancel_timer.seq, None)
            case "start_child_workflow_execution" | "signal_external_workflow_execution":
                self.wanted.append(_wish(command))
            case "upsert_workflow_search_attributes":
                told = decode_typed_search_attributes(
                    command.upsert_workflow_search_attributes.search_attributes
                )
                kept = {pair.key.name: pair for pair in (*self.attributes, *told)}
                self.attributes = TypedSearchAttributes(list(kept.values()))
            case "update_response":
                self._take_response(command.update_response)
            case "complete_workflow_execution":
                self.outcome = command.complete_workflow_execution.result
            case "continue_as_new_workflow_execution":
                (self.goes_on_as,) = command.continue_as_new_workflow_execution.arguments
                self.outcome = self.goes_on_as
            case "fail_workflow_execution":
                raise AssertionError(f"a workflow failed: {_words(command.fail_workflow_execution.failure)}")
            case other:
                raise AssertionError(
                    f"the workflow asks for {other}: teach tests/machine/run.py what it does"
                )

    def _take_response(self, response: Any) -> None:
        answered = self._updates[response.protocol_instance_id]
        match response.WhichOneof("response"):
            case "accepted":
                answered.accepted = True
            case "rejected":
                assert not answered.accepted, f"an update failed: {_words(response.rejected)}"
                answered.refused = response.rejected.message
            case "completed":
                answered.result = response.completed


def _patches(commands: Iterable[WorkflowCommand]) -> Iterator[str]:
    for command in commands:
        if command.HasField("set_patch_marker"):
            yield command.set_patch_marker.patch_id


def _has_patch(patch_id: str) -> WorkflowActivationJob:
    job = WorkflowActivationJob()
    job.notify_has_patch.patch_id = patch_id
    return job


def now_in_utc() -> datetime:
    return datetime.now(UTC)


def _wish(command: WorkflowCommand) -> ChildWanted | SignalWanted:
    if command.HasField("start_child_workflow_execution"):
        child = command.start_child_workflow_execution
        return ChildWanted(child.seq, child.workflow_type, child.workflow_id, *child.input)
    sent = command.signal_external_workflow_execution
    target = sent.workflow_execution.workflow_id
    return SignalWanted(sent.seq, target, sent.signal_name, tuple(sent.args))


def _resolution(task: Task) -> WorkflowActivationJob:
    job = WorkflowActivationJob()
    job.resolve_activity.seq = task.seq
    return job


def _bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _words(failure: Failure) -> str:
    parts = [failure.message, failure.stack_trace]
    return "\n".join(parts) + (f"\ncaused by {_words(failure.cause)}" if failure.HasField("cause") else "")
