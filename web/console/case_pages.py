"""Pages of cases: what waits for a person by cause, and one case, solved once for all its orders; and the rules."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from domain.case_guides import CaseAct
from domain.cases import CaseState, family
from domain.order import CancelKind
from store.cases import CaseDetail, Cases
from web.console.acts import CASE_ACTS, Act, possible
from web.console.forms import Form, Sent, act_named
from web.console.pages import answered, page
from web.console.parts import Parts
from web.console.people import person_of
from web.desk.cases import ActDone, Decision, Solver
from web.desk.rules import rules_that_stand, withdraw
from web.refusals import Refused

LARGEST = 2_147_483_647
"""The databases count cases no further."""
LONGEST_NAME = 100
MOST_ORDERS = 100
"""Orders of a case that its page names."""
MOST_RESOLVED = 200
MOST_NOT_TOLD = 10
_SAFE_TO_REPEAT = frozenset({CaseAct.RETRY, CaseAct.MAP})
"""Acts that take nothing as it was shown: an order that came meanwhile is told as well."""

_DECIDED_BY_RETURN = frozenset({"return_requested", "return_inspection"})
"""What is to be decided about each of their returns is more than whether it goes on."""

Number = Annotated[int, Path(ge=1, le=LARGEST)]


class CasePages:
    """The list, one case, and the rules that cases were solved by."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add_to(self, pages: APIRouter) -> None:
        """Serve them."""
        pages.get("/cases")(self.cases)
        pages.get("/rules")(self.rules)
        pages.post("/rules")(self.withdraw)
        pages.get("/cases/{number}")(self.one)
        pages.get("/cases/{number}/{name}")(self.back)
        pages.post("/cases/{number}/assign")(self.assign)
        pages.post("/cases/{number}/{name}")(self.decide)

    async def cases(self, request: Request, *, every: bool = False, sort: str = "money") -> Response:
        """Those that are open, or with ``every`` also the last ones that were resolved."""
        found = await self._parts.read(
            lambda database: (
                Cases(database).latest(MOST_RESOLVED) if every else Cases(database).list(CaseState.OPEN)
            )
        )
        if sort == "deadline":
            found = tuple(sorted(found, key=lambda case: (case.deadline, case.id)))
        return page(
            self._parts.notes, request, "cases.html", cases=found, every=every, sort=sort, most=MOST_RESOLVED
        )

    async def one(self, request: Request, number: Number) -> Response:
        """One case."""
        case = await self._known(number, most=MOST_ORDERS)
        open_ = case.summary.state is CaseState.OPEN
        by_return = family(case.summary.cause) in _DECIDED_BY_RETURN
        return page(
            self._parts.notes,
            request,
            "case.html",
            case=case,
            more=max(0, case.summary.orders - MOST_ORDERS),
            acts=possible(CASE_ACTS, case.summary.guide.acts) if open_ and not by_return else (),
            by_return=by_return,
            kinds=list(CancelKind),
        )

    async def back(self, number: Number, name: str) -> Response:  # noqa: ARG002  as it stands in the path
        """A decision's own address is no page: who loads it anew sees the case."""
        return RedirectResponse(f"/cases/{number}", 303)

    async def assign(self, request: Request, number: Number, form: Sent) -> Response:
        """Say who looks after a case."""
        person, to = person_of(request), form["to"]
        if len(to) > LONGEST_NAME:
            raise Refused(422, "long_name", f"the name has {len(to)} characters", f"say it in {LONGEST_NAME}")
        await self._known(number, most=0)
        done = await self._parts.write(
            asyncio.to_thread(Cases(self._parts.database).assign, number, to, actor=person)
        )
        said = f"{to or 'Nobody'} looks after it." if done else "The case is resolved already."
        return answered(self._parts.notes, request, f"/cases/{number}", "done" if done else "refused", said)

    async def decide(self, request: Request, number: Number, name: str, form: Sent) -> Response:
        """Decide about a case: every order that waits in it is told."""
        act = act_named(CASE_ACTS, name)
        decision = _decision(act, form, person_of(request))
        solver = Solver(self._parts.database, self._parts.files)
        case = await self._known(number, most=None)
        if case.summary.state is not CaseState.OPEN:
            said = f"Nothing was decided: the case is resolved. {case.summary.resolution}"
            return answered(self._parts.notes, request, f"/cases/{number}", "taken", said)
        solver.check(case, decision)
        if decision.act not in _SAFE_TO_REPEAT:
            form.of_what_is_shown(case.mark)
        if case.waiting:
            await self._parts.connected()
        done = await self._parts.write(solver.resolve(self._parts.client, case, decision))
        kind = "refused" if done.not_told else "done"
        return answered(self._parts.notes, request, f"/cases/{number}", kind, _in_words(done))

    async def rules(self, request: Request) -> Response:
        """The rules that cases were solved by."""
        found = await self._parts.read(lambda database: rules_that_stand(database, self._parts.files))
        return page(self._parts.notes, request, "rules.html", rules=found)

    async def withdraw(self, request: Request, form: Sent) -> Response:
        """End a rule."""
        said = await self._parts.write(
            asyncio.to_thread(
                withdraw,
                self._parts.database,
                self._parts.files,
                form["place"],
                mapping=form["mapping"],
                actor=person_of(request),
                reason=form.reason(needed=True),
            )
        )
        return answered(self._parts.notes, request, "/rules", "done", f"{said}.")

    async def _known(self, number: int, *, most: int | None) -> CaseDetail:
        """Raises Refused."""
        found = await self._parts.read(lambda database: Cases(database).get(number, most=most))
        if found is None:
            raise Refused(404, "no_case", f"there is no case {number}", "see the list of cases")
        return found


def _decision(act: Act, form: Form, person: str) -> Decision:
    """Raises Refused."""
    value = form["value"]
    if act.name == CaseAct.MAP and not value:
        raise Refused(422, "no_value", "say what it is mapped to", "fill in the value")
    kind = form["kind"]
    return Decision(
        act=CaseAct(act.name),
        actor=person,
        reason=form.reason(needed=act.reason_needed),
        value=value,
        kind=CancelKind(kind) if kind in set(CancelKind) else CancelKind.OTHER,
    )


def _in_words(done: ActDone) -> str:
    if done.resolved:
        return "Resolved: no order waited in it."
    told, missed = len(done.told), done.not_told
    parts = [f"Mapping: {rule}." for rule in done.rules]
    parts.append(
        f"{'1 order was' if told == 1 else f'{told} orders were'} told; each order's story says what came of it. "
        "The case is resolved once none waits: look again in a moment."
    )
    parts += [f"{failed.key} was not told: {failed.reason}." for failed in missed[:MOST_NOT_TOLD]]
    if len(missed) > MOST_NOT_TOLD:
        parts.append(
            f"{len(missed) - MOST_NOT_TOLD} more were not told. Decide again: who was told is not told twice."
        )
    return " ".join(parts)
