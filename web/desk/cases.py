"""What an operator does about a case as a whole: a rule for the mapping where one is missing, then word to every order.

Orders are told by signals whose ids follow from the case, the act, who decided and why, and how often the order came
back to the case: the same click twice is one, a second try after the first one did not help is another. A signal names
the cause, so that an order which waits for something else by now is left alone. Whether a case is resolved is not
decided here: it is once none of its orders waits any more.
"""

import asyncio
from collections.abc import Mapping as Dictionary
from datetime import UTC, datetime
from hashlib import sha256

from temporalio.client import Client

from domain.case_guides import CaseAct
from domain.cases import CaseState
from domain.mapping import Mapping
from domain.mapping_rules import MappingRule, RuleRefused, entry, standing, targets, with_rule
from domain.model import Frozen
from domain.order import CancelKind, OrderKey
from store.cases import CaseDetail, CaseOrder, Cases
from store.database import Database
from store.mapping_rules import LONGEST_VALUE, MappingRules, add_rule
from store.mappings import MappingCatalog
from web.desk.operations import CannotBeDone, tell
from workflows.messages import CancelAsked

AT_ONCE = 16
"""Signals on their way at the same time."""

MESSAGES = {
    CaseAct.RETRY: "resubmit",
    CaseAct.MAP: "resubmit",
    CaseAct.ACCEPT: "accept",
    CaseAct.APPROVE: "approve",
    CaseAct.CANCEL: "cancel",
    CaseAct.WAIT: "wait_for_all",
    CaseAct.SHIP: "ship_what_is_there",
    CaseAct.CANCEL_REST: "cancel_rest",
}


class NotTold(Frozen):
    """An order that could not be told, and why."""

    key: OrderKey
    reason: str


class Decision(Frozen):
    """What is to be done about a case, by whom and why; ``value`` goes with ``map``, ``kind`` with ``cancel``."""

    act: CaseAct
    actor: str
    reason: str
    value: str = ""
    kind: CancelKind = CancelKind.OTHER


class ActDone(Frozen):
    """What came of an act: how many orders were told, which were not, what was added to the mapping."""

    case_id: int
    act: CaseAct
    told: tuple[OrderKey, ...]
    not_told: tuple[NotTold, ...] = ()
    rules: tuple[str, ...] = ()
    resolved: bool = False
    """True at once only for a case that no order waits in."""


class Solver:
    """Acts on cases. ``files`` are the mappings by channel as their files say."""

    def __init__(self, database: Database, files: Dictionary[str, Mapping]) -> None:
        self._database = database
        self._cases = Cases(database)
        self._files = files

    def open_case(self, case_id: int) -> CaseDetail:
        """A case that is open. Raises CannotBeDone."""
        case = self._cases.get(case_id)
        if case is None:
            raise CannotBeDone(f"there is no case {case_id}", "see: orderwright case list --all")
        if case.summary.state is not CaseState.OPEN:
            at = case.summary.resolved_at
            since = f" since {at:%Y-%m-%d %H:%M} UTC" if at else ""
            raise CannotBeDone(f"case {case_id} is resolved{since}: {case.summary.resolution}")
        return case

    def check(self, case: CaseDetail, decision: Decision) -> None:
        """Raises CannotBeDone where the case does not allow the decision."""
        act, possible = decision.act, case.summary.guide.acts
        if act not in possible:
            ways = ", ".join(possible) or "nothing here, it is closed by itself once it is over"
            raise CannotBeDone(f"case {case.summary.id} cannot be solved by {act}; possible: {ways}")
        if not case.waiting and act is not CaseAct.RETRY:
            raise CannotBeDone(f"no order waits in case {case.summary.id}; it can only be closed, by retry")
        if (size := len(decision.value.strip())) > LONGEST_VALUE:
            raise CannotBeDone(
                f"the value has {size:,} characters; an entry of a mapping holds {LONGEST_VALUE}"
            )

    async def resolve(self, client: Client, case: CaseDetail, decision: Decision) -> ActDone:
        """Do what the operator decided. Raises CannotBeDone where the case or the mapping does not allow it."""
        self.check(case, decision)
        act = decision.act
        rules = await asyncio.to_thread(self._rules, case, decision) if act is CaseAct.MAP else ()
        await asyncio.to_thread(self._record, case, decision, rules)
        if not case.waiting:
            closed = await asyncio.to_thread(
                self._cases.close_without_orders, case.summary.id, resolution="no order waited"
            )
            return ActDone(case_id=case.summary.id, act=act, told=(), resolved=closed)
        not_told = await self._tell(client, case, decision)
        missed = {failed.key for failed in not_told}
        return ActDone(
            case_id=case.summary.id,
            act=act,
            told=tuple(order.key for order in case.waiting if order.key not in missed),
            not_told=not_told,
            rules=tuple(f"{rule.place} = {rule.value}" for rule in rules),
        )

    async def _tell(self, client: Client, case: CaseDetail, decision: Decision) -> tuple[NotTold, ...]:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(order: CaseOrder) -> NotTold | None:
            message = CancelAsked(
                message_id=_message_id(case, decision, order),
                actor=decision.actor,
                reason=decision.reason,
                kind=decision.kind,
                cause=case.summary.cause,
            )
            try:
                async with free:
                    await tell(client, order.key, MESSAGES[decision.act], message, wait=False)
            except CannotBeDone as error:
                return NotTold(key=order.key, reason=error.words)
            return None

        answers = await asyncio.gather(*(one(order) for order in case.waiting))
        return tuple(answer for answer in answers if answer is not None)

    def _rules(self, case: CaseDetail, decision: Decision) -> tuple[MappingRule, ...]:
        """The entries that cure the cause, in the mapping of every channel that has an order waiting; kept."""
        catalog = MappingCatalog(self._database, self._files)
        value = decision.value.strip()
        rules: list[MappingRule] = []
        done: set[str] = set()
        clicked_before = False
        for channel in sorted({order.key.channel for order in case.waiting}):
            if channel not in self._files:
                raise CannotBeDone(f"channel {channel!r} is not set up here, so its mapping is not known")
            file, mapping = self._files[channel], catalog.current(channel)
            if file.name in done:
                continue
            done.add(file.name)
            if any(_says(rule, case.summary.id, value) for rule in self._kept(file.name)):
                clicked_before = True
                continue
            for target in targets(case.summary.cause, mapping):
                key, mapped = (value, target.key) if target.backwards else (target.key, value)
                rule = MappingRule(
                    mapping=file.name,
                    table=target.table,
                    key=key,
                    value=mapped,
                    replaced=entry(file, target.table, key),
                    actor=decision.actor,
                    reason=decision.reason,
                    at=datetime.now(UTC),
                    case_id=case.summary.id,
                )
                try:
                    mapping = with_rule(mapping, rule)
                except RuleRefused as refused:
                    raise CannotBeDone(
                        f"the mapping {file.name!r} does not take that: {refused}"
                    ) from refused
                rules.append(rule)
        if not rules and not clicked_before:
            raise CannotBeDone(
                f"no entry of the mapping stands for what case {case.summary.id} is about; correct its file and "
                "restart the workers, or mend it in the other system, then retry"
            )
        with self._database.write(lasting=True) as session:
            for rule in rules:
                add_rule(session, rule)
        return tuple(rules)

    def _kept(self, mapping: str) -> tuple[MappingRule, ...]:
        return standing(MappingRules(self._database).all(mapping))

    def _record(
        self,
        case: CaseDetail,
        decision: Decision,
        rules: tuple[MappingRule, ...],
    ) -> None:
        """Before the orders are told: the last of them that goes on resolves the case, and names who did it."""
        act = decision.act
        ids = "".join(sorted(_message_id(case, decision, order) for order in case.waiting))
        entries = "; ".join(f"{rule.place} = {rule.value} in {rule.mapping}" for rule in rules)
        orders = "1 order" if len(case.waiting) == 1 else f"{len(case.waiting)} orders"
        text = f"{entries}; {orders} told to go on" if entries else f"{MESSAGES[act]} sent to {orders}"
        once = f"{case.summary.id}/{act.value}/{sha256((ids + decision.value).encode()).hexdigest()[:24]}"
        self._cases.record(
            case.summary.id, act, once=once, actor=decision.actor, reason=decision.reason, text=text
        )


def _says(rule: MappingRule, case_id: int, value: str) -> bool:
    return rule.case_id == case_id and value in {rule.value, rule.key}


def _message_id(case: CaseDetail, decision: Decision, order: CaseOrder) -> str:
    """Another person's decision, or one for another reason, is another: the first one may have been refused."""
    who_and_why = sha256(f"{decision.actor}/{decision.reason}".encode()).hexdigest()[:12]
    return f"case-{case.summary.id}-{decision.act.value}-{order.reports}-{who_and_why}"
