"""What a return remembers and what it can be told: state, messages from its order and from operators, queries.

A message only changes the state and wakes the loop of ``workflows.customer_return``; nothing here calls an activity.
"""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.failures import Refusal
    from activities.return_contracts import ReturnAct
    from domain.cases import RETURN_GREW, RETURN_INSPECTION, RETURN_RECEIVED, RETURN_REQUESTED, family
    from domain.erp_order import ErpReturn
    from domain.order import ReturnStatus
    from domain.returns import LIVE, Disposition, units_received
    from workflows import return_narrative as narrative
    from workflows.desk import Desk, problem_of, read_message, refuse
    from workflows.messages import (
        CancelRequest,
        OperatorAnswer,
        OperatorMessage,
    )
    from workflows.narrative import because
    from workflows.return_messages import (
        ERP_RETURN_CHANGED,
        STOREFRONT_RETURN_CHANGED,
        Inspection,
        ReturnStart,
        ReturnState,
        ReturnView,
    )
    from workflows.return_steps import ReturnStep, given_back, is_less, judged, received, to_be_refunded

ORDERWRIGHT = "Orderwright"
_SETTLED_INSTEAD = frozenset({RETURN_RECEIVED, "return_settled"})
"""Causes for which a return cannot be given up any more."""


class ReturnDesk(Desk[ReturnState]):
    """Base of ``ReturnWorkflow``: everything that others see of a return and can ask of it."""

    def __init__(self, start: ReturnStart) -> None:
        self._state = start.state or ReturnState(
            key=start.key,
            wish=start.wish,
            rules=start.rules,
            mapping_version=start.mapping_version,
            order_number=start.order_number,
            names=start.names,
            released=start.wish.released,
            told_released=start.wish.released,
        )

    # -- messages from its order -----------------------------------------------------------------------------------

    @workflow.signal(name=ERP_RETURN_CHANGED)
    def erp_changed(self, erp: ErpReturn) -> None:
        """The ERP's change feed brings the return as it is there now, or its order does, which may be late.

        What came in stays in: of two readings the one with fewer units is the older.
        """
        state = self._state
        if state.ended is not None or to_be_refunded(state):
            return
        known, now = units_received(state.erp) if state.erp else {}, units_received(erp)
        if any(is_less(name, known, now) for name in known):
            return
        before, state.erp = received(state), erp
        if received(state) != before:
            self._tell("ERP", narrative.came(state))
            self._look_again()

    def _look_again(self) -> None:
        """Goods came in that nobody has judged; it was just to be given up for want of them, or settled without."""
        self._clear(RETURN_RECEIVED)
        self._clear(RETURN_GREW)
        if not self._state.settling:
            self._state.verdicts = {}

    @workflow.signal(name=STOREFRONT_RETURN_CHANGED)
    def storefront_changed(self, status: ReturnStatus) -> None:
        """The storefront's return stands elsewhere: agreed to there, or taken back."""
        state = self._state
        if status is ReturnStatus.OPEN and not narrative.approve_obstacle(state):
            self._approve(OperatorMessage(actor="storefront"))
        elif status not in LIVE and not narrative.end_obstacle(state):
            self._end_early(OperatorMessage(actor="storefront", reason=f"it is {status} in the storefront"))

    # -- messages from operators -----------------------------------------------------------------------------------

    @workflow.signal(name="resubmit")
    def resubmit_signal(self, body: Any = None) -> None:
        """Go on after the cause of a problem was mended; also says yes to what waits for a yes."""
        message = self._heard("resubmit", body, OperatorMessage)
        if message is not None and not self._seen(message.message_id) and self._state.problem is not None:
            self._resubmit(message)

    @workflow.update(name="resubmit")
    def resubmit_update(self, body: Any = None) -> OperatorAnswer:
        """Go on after the cause of a problem was mended; also says yes to what waits for a yes."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._resubmit(message)
        return OperatorAnswer(done=True, text="The return goes on.")

    @resubmit_update.validator
    def _may_resubmit(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse("" if self._state.problem else "the return has no problem that waits for it")

    @workflow.update(name="approve")
    def approve_update(self, body: Any = None) -> OperatorAnswer:
        """Agree to what the buyer asks for."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._approve(message)
        return OperatorAnswer(done=True, text="Agreed; the warehouse is told to expect the goods.")

    @approve_update.validator
    def _may_approve(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse(narrative.approve_obstacle(self._state))

    @workflow.update(name="inspect")
    def inspect_update(self, body: Any = None) -> OperatorAnswer:
        """Say what becomes of every unit that came back."""
        inspection = read_message(body, Inspection)
        if not self._seen(inspection.message_id):
            self._state.verdicts = inspection.lines
            self._state.goods_awaited = False
            self._clear(RETURN_INSPECTION)
            self._tell(inspection.actor, narrative.judged(self._state, inspection.reason))
        return OperatorAnswer(done=True, text=narrative.judged(self._state))

    @inspect_update.validator
    def _may_inspect(self, body: Any = None) -> None:
        inspection = read_message(body, Inspection)
        refuse(narrative.inspect_obstacle(self._state, inspection))

    @workflow.update(name="settle")
    def settle_update(self, body: Any = None) -> OperatorAnswer:
        """Wait for the missing goods no more, and settle what is back."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._state.goods_awaited = False
            told = f"Asked to settle what is back{because(message)}; the rest is waited for no more."
            self._tell(message.actor, told)
        return OperatorAnswer(done=True, text="What is back is settled; the rest is waited for no more.")

    @settle_update.validator
    def _may_settle(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse(narrative.settle_obstacle(self._state))

    @workflow.update(name="end")
    async def end_update(self, body: Any = None) -> OperatorAnswer:
        """Decline the return, or end it without goods, in both systems; says how it went.

        One that is credited, and whose refund stopped, ends as one whose money was given back by hand.
        """
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._state.by_hand = to_be_refunded(self._state)
            self._end_early(message)
        await workflow.wait_condition(lambda: self._state.give_up is None or self._state.ended is not None)
        done = self._state.ended is not None
        return OperatorAnswer(done=done, text=self._state.ended or "Not ended: a system refused it.")

    @end_update.validator
    def _may_end(self, body: Any = None) -> None:
        message = read_message(body, OperatorMessage)
        obstacle = narrative.end_obstacle(self._state, by_person=True)
        refuse(obstacle or ("" if message.reason else "say why (reason)"))

    def _approve(self, message: OperatorMessage) -> None:
        self._state.agreed = True
        self._clear(RETURN_REQUESTED)
        self._tell(message.actor, f"Agreed to the return{because(message)}.")

    def _resubmit(self, message: OperatorMessage) -> None:
        state, problem = self._state, self._state.problem
        assert problem is not None
        state.problem = None
        if self._works_out_anew(problem.cause):
            state.refund_stopped = True
            state.credited = state.give_up = None
        match family(problem.cause):
            case name if name == RETURN_REQUESTED:
                state.agreed = True
            case name if name == RETURN_INSPECTION:
                state.verdicts = {
                    line: {Disposition.RESTOCK: units} for line, units in received(state).items() if units
                }
            case name if name == RETURN_GREW:
                state.verdicts = {}
            case _:
                # It may have been mended in the mapping: the one in force counts from now on.
                state.mapping_version = ""
        self._tell(message.actor, f"Asked to go on{because(message)}.")
        refused_before = state.by_hand or not narrative.end_obstacle(state)
        if family(problem.cause) not in _SETTLED_INSTEAD and refused_before:
            state.give_up = state.end_refused

    def _works_out_anew(self, cause: str) -> bool:
        """Whether the refund stopped: people may have given money back since, and the numbers it has are of before."""
        state = self._state
        if state.credited is None or state.by_hand or not to_be_refunded(state) or not given_back(state):
            return False
        return family(cause) == "refund_exceeds_payment" or workflow.patched("a-refund-is-worked-out-anew")

    def _end_early(self, message: OperatorMessage) -> None:
        self._state.give_up = CancelRequest(actor=message.actor, reason=message.reason)
        self._state.problem = None
        self._tell(message.actor, f"Asked to end the return: {message.reason}.")

    # -- parts -----------------------------------------------------------------------------------------------------

    def _temporal_cancel(self) -> None:
        """Somebody asked Temporal itself to cancel the workflow: that is a wish to end the return, not to lose it."""
        reason = "cancellation of the workflow was requested"
        obstacle = narrative.end_obstacle(self._state)
        if obstacle:
            self._tell("Temporal", f"Asked to end the return; refused: {obstacle}.")
        else:
            self._end_early(OperatorMessage(actor="Temporal", reason=reason))

    def _clear(self, kind: str) -> None:
        """A problem of this family is over."""
        if self._state.problem is not None and family(self._state.problem.cause) == kind:
            self._state.problem = None

    def _stop(self, step: ReturnStep, refusal: Refusal, *, in_case: bool = False) -> None:
        """Wait for a person. ``in_case``: an activity refused, and has put it into its case already."""
        state = self._state
        state.end_refused = None
        if step is ReturnStep.GIVE_UP:
            state.end_refused, state.give_up = state.give_up, None
        state.problem = problem_of(refusal, narrative.remedy(step, refusal.cause), in_case=in_case)
        state.was_stopped = True
        self._tell(ORDERWRIGHT, f"Stopped: {refusal.reason}")
        # The feed may have told of the goods before the system that knew of them refused.
        late = {RETURN_RECEIVED: {}, RETURN_GREW: judged(state)}.get(family(refusal.cause))
        if late is not None and received(state) != late:
            self._look_again()

    def _end(self) -> None:
        self._state.ended = narrative.ended(self._state)
        self._tell(ORDERWRIGHT, self._state.ended)

    def _act(self) -> ReturnAct:
        state = self._state
        return ReturnAct(
            key=state.key,
            return_id=state.wish.return_id,
            number=state.wish.number,
            revision=self._next_revision(),
            in_storefront=state.wish.in_storefront,
            was_stopped=state.was_stopped,
        )

    def _show(self) -> None:
        workflow.set_current_details(narrative.details(self._state))

    def waits_on(self) -> str | None:
        """The outside system whose answer the return waits for; for a worker, which knows how that system is."""
        return narrative.waits_on(self._state)

    # -- queries ---------------------------------------------------------------------------------------------------

    @workflow.query
    def status(self) -> ReturnView:
        """Where the return stands, in plain words."""
        return narrative.view(self._state)
