"""What an operator can ask of a return, over Temporal: which there are, where one stands, and the messages."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionStatus

from domain.model import Frozen
from domain.order import OrderKey
from domain.returns import Disposition
from web.desk.operations import (
    ANSWER_SECONDS,
    CannotBeDone,
    Carried,
    NoAnswer,
    OrderNotFound,
    answered,
    listed,
    once,
    order_carried,
    query,
    quotable,
    update,
)
from workflows.messages import RETURN_ASKED, OperatorAnswer, ReturnAsked
from workflows.order_reach import OrderReach
from workflows.return_messages import RETURN_WORKFLOW, ReturnLine, ReturnView, return_workflow_id
from workflows.search import ORDER_NUMBER

MOST = 200
"""So many open returns are asked for their number where it does not name their order."""
MOST_DIGITS = 7
_AT_ONCE = 16
_VERDICTS = ", ".join(verdict.value for verdict in Disposition)


@dataclass(frozen=True)
class ReturnName:
    """Names one return everywhere; told as ``shop:5001:90005``."""

    key: OrderKey
    return_id: str

    def __str__(self) -> str:
        """``channel:external-id:return-id``, as commands take it."""
        return f"{self.key}:{self.return_id}"

    @property
    def carried(self) -> Carried:
        """The return, as Temporal and people know it."""
        workflow_id = return_workflow_id(self.key, self.return_id)
        return Carried(
            workflow_id=workflow_id,
            name=f"return {self}",
            listed_by="return list",
            shown_by=f"orderwright return show {self}",
            signals=False,
        )

    @classmethod
    def parse(cls, text: str) -> "ReturnName":
        """Read ``channel:external-id:return-id`` or a workflow id. Raises CannotBeDone."""
        channel, _, rest = text.removeprefix("return:").partition(":")
        external_id, _, return_id = rest.rpartition(":")
        if not (channel and external_id and return_id):
            raise CannotBeDone(
                f"{text!r} names no return, such as shop:5001:90005; those of an order: orderwright order show {text}"
            )
        return cls(OrderKey(channel=channel, external_id=external_id), return_id)


class ListedReturn(Frozen):
    """A return as it tells of itself; ``view`` is None where nobody answers for it."""

    id: str
    running: bool
    view: ReturnView | None

    @property
    def state(self) -> str:
        """One word or two for it."""
        if not self.running:
            return "ended" if self.view is None or self.view.ended else "ended in Temporal by hand"
        return "waits for a person" if self.view is not None and self.view.problem else "on its way"


async def list_returns(
    client: Client, *, only_open: bool = False, limit: int = MOST
) -> tuple[ListedReturn, ...]:
    """Returns that Temporal keeps, the youngest first."""
    return await _listed(client, ("ExecutionStatus = 'Running'",) if only_open else (), limit)


async def returns_of(client: Client, key: OrderKey) -> tuple[ListedReturn, ...]:
    """Every return of an order that Temporal keeps, also of an earlier run of it, the youngest first."""
    prefix = return_workflow_id(key, "")
    if not quotable(prefix):
        return ()
    return await _listed(client, (f"WorkflowId STARTS_WITH '{prefix}'",), MOST)


async def find_return(client: Client, text: str) -> ReturnName:
    """The return that people call ``text``, by id or by number. Raises CannotBeDone where it is none, or several."""
    text = text.strip()
    if ":" in text:
        return ReturnName.parse(text)
    if not quotable(text):
        raise _no_such(text)
    bare = text.removeprefix("#")
    order = bare.rpartition("-")[0]
    of_order = f"{ORDER_NUMBER.name} IN ('#{order}', '{order}')"
    for conditions in ((of_order,), ("ExecutionStatus = 'Running'",)):
        known = await _listed(client, conditions, MOST)
        found = [
            one.id for one in known if one.view is not None and one.view.number.removeprefix("#") == bare
        ]
        if len(found) > 1:
            raise CannotBeDone(f"several returns are called {text!r}: {', '.join(found)}; name one of them")
        if found:
            return ReturnName.parse(found[0])
    raise _no_such(text)


async def begin_return(
    client: Client,
    key: OrderKey,
    asked: ReturnAsked,
    *,
    known: bool,
    patience: float = ANSWER_SECONDS,
) -> OperatorAnswer:
    """Begin a return of an order; one that has ended comes back to life for it, where it is ``known`` to exist.

    ``patience``: seconds to wait for the answer. Raises OrderNotFound, NoAnswer.
    """
    asked, carried = once(asked), order_carried(key)
    try:
        return await update(client, carried, RETURN_ASKED, asked, patience=patience)
    except OrderNotFound:
        if not known:
            raise
    await answered(carried, OrderReach(client).bring_back_for_return(key, asked))
    words = "The order had ended and comes back to life; once it is read, its story says whether the return begins."
    return OperatorAnswer(done=True, text=words)


def units_named(named: Sequence[str]) -> dict[str, int]:
    """Units by line id or SKU, told as ``TEE-BLK-M=1``. Raises CannotBeDone."""
    units: dict[str, int] = {}
    for each in named:
        line, _, count = each.rpartition("=")
        if not line or _number(count) == 0:
            raise CannotBeDone(f"{each!r} is not of the form SKU=UNITS or LINE=UNITS, such as TEE-BLK-M=1")
        if line in units:
            raise CannotBeDone(f"{line} is named twice; name it once, with all its units")
        units[line] = _number(count)
    return units


def verdicts_named(view: ReturnView, named: Sequence[str]) -> dict[str, dict[Disposition, int]]:
    """Verdicts by line id, told as ``TEE-BLK-M=restock:1,scrap:1``. Raises CannotBeDone."""
    verdicts: dict[str, dict[Disposition, int]] = {}
    for each in named:
        name, _, told = each.rpartition("=")
        if not name:
            raise CannotBeDone(_misnamed(each))
        line = _line_named(view.lines, name)
        if line.line_id in verdicts:
            raise CannotBeDone(f"{name} is named twice; name it once, with all its verdicts")
        verdicts[line.line_id] = dict(_verdict(each, part) for part in told.split(","))
    return verdicts


def _verdict(whole: str, part: str) -> tuple[Disposition, int]:
    verdict, _, count = part.partition(":")
    if verdict not in set(Disposition) or (units := _number(count, none=-1)) < 0:
        raise CannotBeDone(_misnamed(whole))
    return Disposition(verdict), units


def _number(text: str, none: int = 0) -> int:
    """Units that somebody typed; ``none`` where it is no number, or one that no order has."""
    readable = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if readable else none


def _misnamed(whole: str) -> str:
    return (
        f"{whole!r} is not of the form LINE=VERDICT:UNITS,..., such as TEE-BLK-M=restock:1,scrap:1; "
        f"verdicts are {_VERDICTS}"
    )


def _line_named(lines: Sequence[ReturnLine], name: str) -> ReturnLine:
    """The line that people call so, by its id or its SKU. Raises CannotBeDone where it is none, or several."""
    found = [line for line in lines if line.line_id == name] or [line for line in lines if line.name == name]
    match found:
        case [one]:
            return one
        case []:
            has = ", ".join(f"{line.name} (line {line.line_id})" for line in lines)
            raise CannotBeDone(f"{name!r} is no line of the return; it has {has}")
        case _:
            several = ", ".join(line.line_id for line in found)
            raise CannotBeDone(f"{name} stands on several lines of the return: {several}; name one of them")


def _no_such(text: str) -> CannotBeDone:
    return CannotBeDone(
        f"no return is called {text!r}; name it as shop:5001:90005, see: orderwright return list"
    )


async def _listed(client: Client, conditions: Iterable[str], limit: int) -> tuple[ListedReturn, ...]:
    # A run that was continued as new is followed by the one that goes on.
    wanted = (f"WorkflowType = '{RETURN_WORKFLOW}'", "ExecutionStatus != 'ContinuedAsNew'", *conditions)
    running: dict[str, bool] = {}
    for run in await listed(client, " AND ".join(wanted), limit):
        running.setdefault(run.id, run.status is WorkflowExecutionStatus.RUNNING)
    free = asyncio.Semaphore(_AT_ONCE)

    async def tell(name: ReturnName, runs: bool) -> ListedReturn:
        async with free:
            try:
                view = await query(client, name.carried, "status", ReturnView)
            except (NoAnswer, OrderNotFound):
                # One return that nobody answers for must not hide the others.
                view = None
        return ListedReturn(id=str(name), running=runs, view=view)

    names = ((ReturnName.parse(workflow_id), runs) for workflow_id, runs in running.items())
    return tuple(await asyncio.gather(*(tell(name, runs) for name, runs in names)))
