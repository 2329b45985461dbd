"""What the workflows of orders and returns have alike: a story, messages that count once, steps that are finished."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.failures import Refusal
    from workflows.messages import OperatorMessage, Problem, Remembered, TimelineEntry

REMEMBERED_MESSAGES = 50
LONGEST_TIMELINE = 100
LONG_RUN = 130
"""Events after which it goes on in another run once it rests: a worker that lost it reads the whole run again.

Only an order with much to it comes that far, and none much further.
"""
State = TypeVar("State", bound=Remembered)
Sent = TypeVar("Sent", bound=OperatorMessage)


class Desk(Generic[State]):
    """Base of both, who have a ``_show`` and a ``_temporal_cancel`` of their own."""

    _state: State

    if TYPE_CHECKING:

        def _show(self) -> None:
            """Make the Temporal UI tell where it stands."""

        def _temporal_cancel(self) -> None:
            """Somebody asked Temporal itself to cancel it: that is a wish, never a reason to lose anything."""

    def _tell(self, actor: str, text: str) -> None:
        entry = TimelineEntry(at=workflow.now(), actor=actor, text=text)
        self._state.timeline = (*self._state.timeline, entry)[-LONGEST_TIMELINE:]
        self._show()

    def _heard(self, name: str, body: Any, kind: type[Sent]) -> Sent | None:
        """An operator's signal, read; None, and a word about it in the story, where it cannot be.

        Temporal drops a signal that does not fit its handler, and whoever sent a hold would believe that it holds.
        """
        try:
            return read_message(body, kind)
        except ApplicationError as error:
            self._tell("operator", f"Sent `{name}`, of which nothing was done: {error.message}.")
            return None

    def _seen(self, message_id: str) -> bool:
        """Whether a message came before; remembers it."""
        if message_id and message_id in self._state.seen_messages:
            return True
        if message_id:
            self._state.seen_messages = (*self._state.seen_messages, message_id)[-REMEMBERED_MESSAGES:]
        return False

    def _next_revision(self) -> int:
        """Grows with every step, also from one run to a later one: milliseconds of workflow time."""
        self._state.revision = max(self._state.revision + 1, int(workflow.now().timestamp() * 1000))
        return self._state.revision

    def _may_continue_as_new(self) -> bool:
        run = workflow.info()
        is_long = run.is_continue_as_new_suggested() or run.get_current_history_length() >= LONG_RUN
        return is_long and workflow.all_handlers_finished()

    async def _finish_in_any_case(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do a step. A call that is under way may have changed a system already: Temporal's cancel does not drop it."""
        doing = asyncio.create_task(step())
        try:
            await asyncio.shield(doing)
        except asyncio.CancelledError:
            self._temporal_cancel()
            await doing

    @workflow.query
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The story, oldest first."""
        return self._state.timeline


def read_message(body: Any, kind: type[Sent]) -> Sent:
    """What an operator sent, of whatever form it is; nothing, or an empty text, is a message without a word.

    Raises ApplicationError that names the field and the remedy.
    """
    sent = {} if body in (None, "") else body
    if not isinstance(sent, dict):
        refuse(_unreadable("it is no JSON object"))
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg'][:1].lower()}{each['msg'][1:]}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise ApplicationError(_unreadable(wrong), type="NotPossibleNow") from None


def _unreadable(wrong: str) -> str:
    return f'the message cannot be read ({wrong}); send a JSON object such as {{"actor": "you", "reason": "why"}}'


def problem_of(refusal: Refusal, remedy: str, *, in_case: bool) -> Problem:
    """What a person has to mend. ``in_case``: an activity refused, and has put it into its case already."""
    return Problem(
        cause=refusal.cause,
        reason=refusal.reason,
        remedy=remedy,
        since=workflow.now(),
        differences=refusal.differences,
        may_stay=refusal.may_stay,
        own=not in_case,
        in_case=in_case,
    )


def refuse(obstacle: str) -> None:
    """Refuse an update with its reason in words; an empty one refuses nothing."""
    if obstacle:
        raise ApplicationError(obstacle, type="NotPossibleNow")
