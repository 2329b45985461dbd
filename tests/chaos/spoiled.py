"""A memory adapter of which the calls of chosen orders go wrong, in every way the port's words allow."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from time import monotonic
from typing import Any

from temporalio import activity

from adapters.errors import (
    AdapterError,
    Conflict,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)
from adapters.requests import CancelOutcome, ErpChanges, Refund, RefundQuote, ReturnChange, UnitsCanceled
from adapters.stock_ports import ErpStockLevels, ErpStockPage, ShownStockPage
from domain.erp_order import ErpOrder
from domain.order import Order, Payment
from domain.stock import ErpStock, SettingOutcome, ShownStock
from tests.chaos.calls import OF_NO_ORDER, OF_SKUS, WRITES, Call, order_concerned, skus_concerned

ASKED_TO_WAIT = timedelta(seconds=2)
LATE = 3.0
"""Seconds after which a call arrives that its client gave up: the order has looked it up by then."""
SLOW = 1.5
CENT = Decimal("0.01")
REFUSAL = "shut_for_stocktaking"


class MemoryFault(StrEnum):
    """What may go wrong, as an adapter tells it."""

    AWAY = "away, twice"
    RATE_LIMITED = "asked to wait"
    SESSION_EXPIRED = "session expired"
    CONFLICT = "changed in between"
    REJECTED = "refused"
    BROKEN = "broken answer"
    LOST = "answer lost"
    LOST_TWICE = "answer lost twice"
    LATE = "arrives after giving up"
    SLOW = "slow answer"
    WRONG_TOTAL = "wrong total"
    WRONG_CURRENCY = "wrong currency"


ALTERED = frozenset({MemoryFault.WRONG_TOTAL, MemoryFault.WRONG_CURRENCY})
INSTEAD: dict[MemoryFault, Callable[[str, str], AdapterError]] = {
    MemoryFault.AWAY: lambda system, call: Unavailable(system, call, "cannot be reached"),
    MemoryFault.RATE_LIMITED: lambda system, call: RateLimited(system, call, "too many calls", ASKED_TO_WAIT),
    MemoryFault.SESSION_EXPIRED: lambda system, call: SessionExpired(system, call, "login is needed"),
    MemoryFault.CONFLICT: lambda system, call: Conflict(system, call, "was changed in between"),
    MemoryFault.REJECTED: lambda system, call: Rejected(system, call, "shut for stocktaking", REFUSAL),
    MemoryFault.BROKEN: lambda system, call: ContractBroken(system, call, "the answer is not JSON", "<html>"),
}
"""What is raised where the call is not done."""
_TWICE = frozenset({MemoryFault.AWAY, MemoryFault.LOST_TWICE})
_ROUNDS = 3
"""A call that an order needs several times goes wrong the first so many times."""


@dataclass
class Trouble:
    """One fault of one call, for one order or for nobody's; what came of it is noted."""

    call: Call
    fault: MemoryFault
    seen: int = 0
    struck: int = 0
    met: list[AdapterError] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    """Seconds from each strike to the next call."""
    late: list[asyncio.Task[Any]] = field(default_factory=list)
    rounds: int = _ROUNDS
    run_id: str | None = None
    """Only calls of this workflow run are concerned; None: whoever's."""
    lasts: bool = False
    """Every call goes wrong, until somebody says otherwise."""
    before: Callable[[], Awaitable[None]] | None = None
    """What others do while the call is on its way."""
    after: Callable[[], Awaitable[None]] | None = None
    """What they do once it is done and its answer is on its way."""
    _struck_at: float | None = None

    def concerns(self, call: Call) -> bool:
        """Whether this call, made now, is one that may go wrong."""
        return self.call == call and self.run_id in {None, _calling_run()}

    def strikes(self) -> bool:
        """Count a call; every other one goes wrong, or two of three."""
        if self._struck_at is not None:
            self.waited.append(monotonic() - self._struck_at)
        length = 3 if self.fault in _TWICE else 2
        place = self.seen % length
        self.seen += 1
        turn = self.lasts or (self.seen <= self.rounds * length and place < length - 1)
        self.struck += turn
        self._struck_at = monotonic() if turn else None
        return turn


def _calling_run() -> str | None:
    """The run of the workflow whose activity makes the call; None outside of one."""
    return activity.info().workflow_run_id if activity.in_activity() else None


class Spoiled:
    """Stands before a memory adapter. ``troubles`` by external id or SKU; None is whoever asks about none of them."""

    def __init__(self, system: str, port: Any) -> None:
        self._system, self._port = system, port
        self.troubles: dict[str | None, Trouble] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any) -> Any:
            trouble = self._trouble(name, arguments)
            if trouble is None or not trouble.concerns(Call(self._system, name)) or not trouble.strikes():
                return await method(*arguments)
            try:
                return await _spoil(trouble, lambda: method(*arguments))
            except AdapterError as error:
                trouble.met.append(error)
                raise

        return call

    def _trouble(self, name: str, arguments: tuple[Any, ...]) -> Trouble | None:
        if name in OF_SKUS:
            return next((self.troubles[x] for x in skus_concerned(arguments) if x in self.troubles), None)
        return self.troubles.get(None if name in OF_NO_ORDER else order_concerned(arguments))


async def _spoil(trouble: Trouble, do: Callable[[], Awaitable[Any]]) -> Any:
    if trouble.before is not None:
        await trouble.before()
    make_error = INSTEAD.get(trouble.fault)
    if make_error is not None:
        raise make_error(trouble.call.system, trouble.call.operation)
    if trouble.fault is MemoryFault.LATE:
        trouble.late.append(asyncio.create_task(_later(do)))
        raise _no_answer(trouble.call)
    answer = await do()
    if trouble.after is not None:
        await trouble.after()
    if trouble.fault is MemoryFault.SLOW:
        await asyncio.sleep(SLOW)
        return answer
    if trouble.fault in ALTERED:
        return altered(answer, trouble.fault)
    raise _no_answer(trouble.call)


async def _later(do: Callable[[], Awaitable[Any]]) -> None:
    await asyncio.sleep(LATE)
    await do()


def _no_answer(call: Call) -> AdapterError:
    if call.operation in WRITES:
        return OutcomeUnknown(call.system, call.operation, "sent, but the answer was lost")
    return Unavailable(call.system, call.operation, "did not answer")


def altered(answer: Any, fault: MemoryFault) -> Any:
    """The same answer with a cent or a unit more, or in another currency."""
    match answer:
        case Order() | ErpOrder() if fault is MemoryFault.WRONG_TOTAL:
            return answer.model_copy(update={"total": answer.total + CENT})
        case Order() | ErpOrder():
            return answer.model_copy(update={"currency": "EUR"})
        case RefundQuote():
            return answer.model_copy(update={"total": answer.total + CENT})
        case Refund() | Payment():
            return answer.model_copy(update={"amount": answer.amount + CENT})
        case CancelOutcome() | UnitsCanceled():
            return answer.model_copy(update={"order": altered(answer.order, fault)})
        case ErpChanges():
            return answer.model_copy(update={"orders": tuple(altered(each, fault) for each in answer.orders)})
        case tuple():
            return tuple(altered(each, fault) for each in answer)
        case ReturnChange() | None:
            return answer  # it tells of what is there, or of nothing
    return _one_unit_more(answer)


def _one_unit_more(answer: Any) -> Any:
    match answer:
        case ShownStock():
            return answer.model_copy(update={"available": answer.available + 1})
        case ErpStock():
            return answer.model_copy(update={"on_hand": answer.on_hand + 1})
        case SettingOutcome():
            more = {"available": answer.setting.available + 1}
            return answer.model_copy(update={"setting": answer.setting.model_copy(update=more)})
        case ShownStockPage() | ErpStockPage() | ErpStockLevels():
            return answer.model_copy(update={"levels": tuple(_one_unit_more(x) for x in answer.levels)})
    raise AssertionError(f"nobody has said how {type(answer).__name__} tells something wrong")
