"""Pages of cases: what waits for a person by cause, and one case, solved once for all its orders."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from domain.case_guides import CaseAct
from domain.cases import CaseState
from domain.order import CancelKind
from store.cases import CaseDetail, Cases
from web.console.acts import CASE_ACTS, possible
from web.console.desk import Desk
from web.console.forms import Form, Sent
from web.console.pages import page
from web.console.people import person_of
from web.desk.cases import ActDone, Decision, Solver
from web.desk.rules import rules_that_stand, withdraw
from web.refusals import Refused

LARGEST = 2_147_483_647
"""The databases count cases no further."""
LONGEST_NAME = 100


class CasePages:
    """The list, and one case."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, pages: APIRouter) -> None:
        """Serve them."""
        pages.get("/cases")(self.cases)
        pages.get("/rules")(self.rules)
        pages.post("/rules")(self.withdraw)
        pages.get("/cases/{number}")(self.one)
        pages.post("/cases/{number}/assign")(self.assign)
        pages.post("/cases/{number}/{name}")(self.decide)

    async def cases(self, request: Request, every: bool = False, sort: str = "money") -> Response:
        """Those that are open, or with ``every`` all."""
        found = await self._desk.read(
            lambda database: Cases(database).list(None if every else CaseState.OPEN)
        )
        if sort == "deadline":
            found = tuple(sorted(found, key=lambda case: (case.deadline, case.id)))
        return page("cases.html", person_of(request), cases=found, every=every, sort=sort)

    async def one(self, request: Request, number: int) -> Response:
        """One case."""
        return await self._shown(request, number)

    async def assign(self, request: Request, number: int, form: Sent) -> Response:
        """Say who looks after a case."""
        person, to = person_of(request), form["to"]
        if len(to) > LONGEST_NAME:
            raise Refused(422, "long_name", f"the name has {len(to)} characters", f"say it in {LONGEST_NAME}")
        case = await self._known(number)
        done = await self._desk.read(
            lambda database: Cases(database).assign(case.summary.id, to, actor=person)
        )
        return await self._shown(
            request, number, said="" if done else "The case is resolved already.", done=done
        )

    async def decide(self, request: Request, number: int, name: str, form: Sent) -> Response:
        """Decide about a case: every order that waits in it is told."""
        decision = _decision(name, form, person_of(request))
        await self._known(number)
        solver = Solver(self._desk.database, self._desk.files)
        case = await self._desk.read(lambda _: solver.open_case(number))
        done = await solver.resolve(self._desk.client, case, decision)
        return await self._shown(request, number, said=_in_words(done), done=not done.not_told)

    async def rules(self, request: Request) -> Response:
        """The rules that cases were solved by."""
        return await self._shown_rules(request)

    async def withdraw(self, request: Request, form: Sent) -> Response:
        """End a rule."""
        person, reason = person_of(request), form.reason(needed=True)
        said = await self._desk.read(
            lambda database: withdraw(
                database,
                self._desk.files,
                form["place"],
                mapping=form["mapping"],
                actor=person,
                reason=reason,
            )
        )
        return await self._shown_rules(request, f"{said}.")

    async def _shown_rules(self, request: Request, said: str = "") -> Response:
        found = await self._desk.read(lambda database: rules_that_stand(database, self._desk.files))
        return page("rules.html", person_of(request), rules=found, said=said)

    async def _shown(self, request: Request, number: int, said: str = "", *, done: bool = True) -> Response:
        case = await self._known(number)
        open_ = case.summary.state is CaseState.OPEN
        return page(
            "case.html",
            person_of(request),
            case=case,
            said=said,
            done=done,
            acts=possible(CASE_ACTS, case.summary.guide.acts) if open_ else (),
            kinds=list(CancelKind),
        )

    async def _known(self, number: int) -> CaseDetail:
        """Raises Refused."""
        found = (
            await self._desk.read(lambda database: Cases(database).get(number))
            if 0 < number <= LARGEST
            else None
        )
        if found is None:
            raise Refused(404, "no_case", f"there is no case {number}", "see /cases?every=1")
        return found


def _decision(name: str, form: Form, person: str) -> Decision:
    """Raises Refused."""
    act = CASE_ACTS.get(name)
    if act is None:
        raise Refused(
            404, "unknown_act", f"nothing is called {name[:40]!r} here", "decide on the case's page"
        )
    value = form["value"]
    if act.name is CaseAct.MAP and not value:
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
    told = len(done.told)
    parts = [f"Mapping: {rule}." for rule in done.rules]
    parts.append(
        f"{'1 order was' if told == 1 else f'{told} orders were'} told. The case is resolved once none waits."
    )
    parts += [f"{failed.key} was not told: {failed.reason}." for failed in done.not_told]
    return " ".join(parts)
