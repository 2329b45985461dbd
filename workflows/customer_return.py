"""One return from the wish to the refund: decisions and waiting, nothing else. A child of its order's workflow.

It tells its order what happens by a signal, so that it may outlive the run of the order that began it.
"""

import asyncio
from datetime import timedelta
from decimal import Decimal

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ERP_QUEUE, storefront_queue
    from activities.failures import Refusal
    from activities.return_contracts import (
        AuthorizeReturn,
        CreditReturn,
        EndReturn,
        RefundReturn,
        ReportReturn,
        ReturnAct,
    )
    from activities.returns import ReturnActivities
    from domain.cases import RETURN_INSPECTION, RETURN_REQUESTED, family
    from domain.erp_order import ErpReturn
    from domain.order import ReturnStatus
    from domain.returns import LIVE, Disposition
    from workflows import return_narrative as narrative
    from workflows.calls import ONE_CALL, PATIENT, SHIPMENTS_NEXT
    from workflows.messages import (
        ORDERS_QUEUE,
        CancelRequest,
        OperatorAnswer,
        OperatorMessage,
        Problem,
        TimelineEntry,
    )
    from workflows.return_messages import (
        ERP_RETURN_CHANGED,
        RETURN_NEWS,
        RETURN_WORKFLOW,
        STOREFRONT_RETURN_CHANGED,
        Inspection,
        ReturnNews,
        ReturnResult,
        ReturnStart,
        ReturnState,
        ReturnView,
    )
    from workflows.return_steps import (
        ReturnStep,
        by_rule,
        given_back,
        next_return_step,
        received,
        settled_in_erp,
        units_that_become,
    )

REMEMBERED_MESSAGES = 50
ORDERWRIGHT = "Orderwright"
_CALLING = frozenset({ReturnStep.AUTHORIZE, ReturnStep.CREDIT, ReturnStep.REFUND, ReturnStep.GIVE_UP})


@workflow.defn(name=RETURN_WORKFLOW)
class ReturnWorkflow:
    """The life of one return; id ``return:{channel}:{external id}:{return id}``."""

    @workflow.init
    def __init__(self, start: ReturnStart) -> None:
        self._state = start.state or ReturnState(
            key=start.key,
            wish=start.wish,
            rules=start.rules,
            mapping_version=start.mapping_version,
            order_number=start.order_number,
            names=start.names,
        )
        self._steps = {
            ReturnStep.REPORT_PROBLEM: self._report_problem,
            ReturnStep.ASK_APPROVAL: self._ask_approval,
            ReturnStep.AUTHORIZE: self._authorize,
            ReturnStep.ASK_INSPECTION: self._inspect_by_rule,
            ReturnStep.CREDIT: self._credit,
            ReturnStep.REFUND: self._refund,
            ReturnStep.GIVE_UP: self._give_up,
            ReturnStep.WAIT: self._wait,
        }

    @workflow.run
    async def run(self, start: ReturnStart) -> ReturnResult:
        """Go on until the goods are settled and paid back, or nothing comes of it."""
        state = self._state
        if state.opened_at is None:
            state.opened_at = workflow.now()
            self._tell(state.wish.actor, narrative.opened(state))
        while True:
            step = next_return_step(state)
            workflow.set_current_details(narrative.details(state))
            await self._tell_order()
            if step is ReturnStep.FINISH:
                break
            if step is ReturnStep.WAIT and self._may_continue_as_new():
                workflow.continue_as_new(start.model_copy(update={"state": state}))
            await self._take(step)
        await workflow.wait_condition(workflow.all_handlers_finished)
        assert state.ended is not None
        return ReturnResult(text=state.ended, back=given_back(state))

    def _may_continue_as_new(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished()

    async def _take(self, step: ReturnStep) -> None:
        """Do one step; a refusal becomes a problem, anything that is not one of ours goes up."""
        doing = asyncio.create_task(self._steps[step]())
        try:
            try:
                await asyncio.shield(doing)
            except asyncio.CancelledError:
                self._temporal_cancel()
                await doing
            if step in _CALLING:
                self._state.was_stopped = False
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                self._temporal_cancel()
                return
            refusal = _refusal_of(error)
            if refusal is None:
                raise
            self._stop(step, refusal, in_case=True)

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _ask_approval(self) -> None:
        state = self._state
        cause = f"{RETURN_REQUESTED}:{state.key.channel}:{state.key.external_id}:{state.wish.return_id}"
        reason = f"{narrative.opened(state)} Nobody has agreed to it yet."
        self._stop(ReturnStep.ASK_APPROVAL, Refusal(cause=cause, reason=reason))

    async def _authorize(self) -> None:
        state = self._state
        held = await workflow.execute_activity_method(
            ReturnActivities.authorize_return,
            AuthorizeReturn(
                **self._act().model_dump(),
                mapping_version=state.mapping_version,
                lines=state.wish.lines,
                reason=state.wish.reason,
            ),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Let the warehouse expect the goods of {state.wish.number}",
            priority=SHIPMENTS_NEXT,
        )
        state.agreed = True
        # The feed may have told of goods in the meantime.
        if state.erp is None or not state.erp.received:
            state.erp = held
        self._tell("ERP", narrative.authorized(state))

    async def _inspect_by_rule(self) -> None:
        state = self._state
        verdicts = by_rule(state)
        if verdicts:
            state.verdicts = verdicts
            self._tell(ORDERWRIGHT, narrative.judged(state))
            return
        cause = f"{RETURN_INSPECTION}:{state.key.channel}:{state.key.external_id}:{state.wish.return_id}"
        reason = f"{narrative.came(state)} Nobody has said yet what becomes of them."
        self._stop(ReturnStep.ASK_INSPECTION, Refusal(cause=cause, reason=reason))

    async def _credit(self) -> None:
        state = self._state
        state.credited = await workflow.execute_activity_method(
            ReturnActivities.credit_return,
            CreditReturn(
                **self._act().model_dump(),
                mapping_version=state.mapping_version,
                restocked=units_that_become(state, Disposition.RESTOCK),
                scrapped=units_that_become(state, Disposition.SCRAP),
            ),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Credit {state.wish.number} in the ERP",
            priority=SHIPMENTS_NEXT,
        )
        state.erp = state.credited.returned
        self._tell("ERP", narrative.credited(state))

    async def _refund(self) -> None:
        state = self._state
        credited = state.credited
        assert credited is not None
        nothing = not given_back(state)
        if nothing and not self._act().in_storefront:
            self._end()
            return
        if nothing:
            await self._end_in_storefront("nothing was taken back")
            self._end()
            return
        back = given_back(state)
        state.refunded = await workflow.execute_activity_method(
            ReturnActivities.refund_return,
            RefundReturn(
                **self._act().model_dump(),
                restocked=units_that_become(state, Disposition.RESTOCK),
                scrapped=units_that_become(state, Disposition.SCRAP),
                shipping=credited.shipping,
                location=credited.location,
                money=credited.money,
                rest_is_over=any(units > back.get(line, 0) for line, units in state.wish.lines.items()),
            ),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Give the money of {state.wish.number} back",
            priority=SHIPMENTS_NEXT,
        )
        self._tell("storefront", narrative.refunded(state))
        self._end()

    async def _give_up(self) -> None:
        assert self._state.give_up is not None
        await self._end_in_storefront(self._state.give_up.reason)
        self._end()

    async def _end_in_storefront(self, reason: str) -> None:
        state = self._state
        await workflow.execute_activity_method(
            ReturnActivities.end_return,
            EndReturn(**self._act().model_dump(), reason=reason, in_erp=not settled_in_erp(state)),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"End {state.wish.number} in both systems",
            priority=SHIPMENTS_NEXT,
        )

    async def _report_problem(self) -> None:
        problem = self._state.problem
        assert problem is not None
        await workflow.execute_activity_method(
            ReturnActivities.report_return,
            ReportReturn(**self._act().model_dump(), cause=problem.cause, reason=problem.reason),
            task_queue=ORDERS_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Put what a person has to decide into its case",
            priority=SHIPMENTS_NEXT,
        )
        if self._state.problem == problem:
            self._state.problem = problem.model_copy(update={"in_case": True})

    async def _wait(self) -> None:
        """Until a message moves it on, or it is time for a reminder or for the end of the waiting."""
        state = self._state
        assert state.opened_at is not None
        if state.problem is not None:
            await workflow.wait_condition(lambda: self._moved() or state.problem is None)
            return
        remind_at = state.opened_at + (state.reminded + 1) * state.rules.reminder
        expires_at = state.opened_at + state.rules.expiry
        until = min(remind_at, expires_at)
        try:
            await workflow.wait_condition(
                self._moved,
                timeout=max(until - workflow.now(), timedelta(0)),
                timeout_summary="Until the buyer's goods are late",
            )
        except TimeoutError:
            if workflow.now() < expires_at:
                state.reminded += 1
                self._tell(ORDERWRIGHT, f"Still waiting: {narrative.waiting_for(state)}.")
            else:
                self._expire()

    def _moved(self) -> bool:
        return next_return_step(self._state) is not ReturnStep.WAIT or self._may_continue_as_new()

    def _expire(self) -> None:
        """Time is up: what is back is settled, and where nothing is, the return ends."""
        state = self._state
        days = state.rules.expire_days
        if any(received(state).values()):
            state.goods_awaited = False
            self._tell(ORDERWRIGHT, f"After {days} days the rest is waited for no more.")
        else:
            state.give_up = CancelRequest(actor=ORDERWRIGHT, reason=f"no goods came within {days} days")

    # -- messages from its order -----------------------------------------------------------------------------------

    @workflow.signal(name=ERP_RETURN_CHANGED)
    def erp_changed(self, erp: ErpReturn) -> None:
        """The ERP's change feed brings the return as it is there now."""
        state = self._state
        if state.ended is not None or state.credited is not None:
            return
        before = received(state)
        state.erp = erp
        if received(state) != before:
            self._tell("ERP", narrative.came(state))

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
    def resubmit_signal(self, message: OperatorMessage | None = None) -> None:
        """Go on after the cause of a problem was mended; also says yes to what waits for a yes."""
        message = message or OperatorMessage()
        if not self._seen(message.message_id) and self._state.problem is not None:
            self._resubmit(message)

    @workflow.update(name="resubmit")
    def resubmit_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Go on after the cause of a problem was mended; also says yes to what waits for a yes."""
        if not self._seen(message.message_id):
            self._resubmit(message)
        return OperatorAnswer(done=True, text="The return goes on.")

    @resubmit_update.validator
    def _may_resubmit(self, message: OperatorMessage) -> None:
        del message
        _refuse("" if self._state.problem else "the return has no problem that waits for it")

    @workflow.update(name="approve")
    def approve_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Agree to what the buyer asks for."""
        if not self._seen(message.message_id):
            self._approve(message)
        return OperatorAnswer(done=True, text="Agreed; the warehouse is told to expect the goods.")

    @approve_update.validator
    def _may_approve(self, message: OperatorMessage) -> None:
        del message
        _refuse(narrative.approve_obstacle(self._state))

    @workflow.update(name="inspect")
    def inspect_update(self, inspection: Inspection) -> OperatorAnswer:
        """Say what becomes of every unit that came back."""
        if not self._seen(inspection.message_id):
            self._state.verdicts = inspection.lines
            self._state.goods_awaited = False
            self._clear(RETURN_INSPECTION)
            self._tell(inspection.actor, narrative.judged(self._state))
        return OperatorAnswer(done=True, text=narrative.judged(self._state))

    @inspect_update.validator
    def _may_inspect(self, inspection: Inspection) -> None:
        _refuse(narrative.inspect_obstacle(self._state, inspection))

    @workflow.update(name="settle")
    def settle_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Wait for the missing goods no more, and settle what is back."""
        if not self._seen(message.message_id):
            self._state.goods_awaited = False
            self._tell(message.actor, "Asked to settle what is back; the rest is waited for no more.")
        return OperatorAnswer(done=True, text="What is back is settled; the rest is waited for no more.")

    @settle_update.validator
    def _may_settle(self, message: OperatorMessage) -> None:
        del message
        _refuse(narrative.settle_obstacle(self._state))

    @workflow.update(name="end")
    async def end_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Decline the return, or end it without goods, in both systems; says how it went."""
        if not self._seen(message.message_id):
            self._end_early(message)
        await workflow.wait_condition(lambda: self._state.give_up is None or self._state.ended is not None)
        done = self._state.ended is not None
        return OperatorAnswer(done=done, text=self._state.ended or "Not ended: a system refused it.")

    @end_update.validator
    def _may_end(self, message: OperatorMessage) -> None:
        _refuse(narrative.end_obstacle(self._state) or ("" if message.reason else "say why (reason)"))

    def _approve(self, message: OperatorMessage) -> None:
        self._state.agreed = True
        self._clear(RETURN_REQUESTED)
        self._tell(message.actor, "Agreed to the return.")

    def _resubmit(self, message: OperatorMessage) -> None:
        state, problem = self._state, self._state.problem
        assert problem is not None
        state.problem = None
        match family(problem.cause):
            case name if name == RETURN_REQUESTED:
                state.agreed = True
            case name if name == RETURN_INSPECTION:
                state.verdicts = {
                    line: {Disposition.RESTOCK: units} for line, units in received(state).items() if units
                }
            case "refund_exceeds_payment":
                # The payments are others than when the money was worked out: it is worked out again.
                state.credited = None
            case _:
                pass
        self._tell(message.actor, "Asked to go on.")

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
        if step is ReturnStep.GIVE_UP:
            state.give_up = None
        state.problem = Problem(
            cause=refusal.cause,
            reason=refusal.reason,
            remedy=narrative.remedy(step, refusal.cause),
            since=workflow.now(),
            own=not in_case,
            in_case=in_case,
        )
        state.was_stopped = True
        self._tell(ORDERWRIGHT, f"Stopped: {refusal.reason}")

    def _end(self) -> None:
        self._state.ended = narrative.ended(self._state)
        self._tell(ORDERWRIGHT, self._state.ended)

    async def _tell_order(self) -> None:
        """Tell the order of a problem that came or went, and of the end; nothing else costs a signal."""
        state = self._state
        cause = state.problem.cause if state.problem is not None and state.problem.in_case else ""
        if state.ended is None and (cause == state.told_problem or (state.problem and not cause)):
            return
        state.told_problem = cause
        news = ReturnNews(
            return_id=state.wish.return_id,
            text=state.ended or (f"Return {state.wish.number} waits for a person." if cause else ""),
            problem=state.problem,
            ended=state.ended is not None,
            back=given_back(state) if state.ended is not None and state.refunded is not None else {},
            given_back=narrative.money_given_back(state) if state.ended is not None else Decimal(0),
        )
        order = workflow.get_external_workflow_handle(state.key.workflow_id)
        try:
            await order.signal(RETURN_NEWS, news)
        except ApplicationError:
            # The order's workflow is gone (terminated, or its history ran out): the return goes on by itself.
            workflow.logger.warning("no workflow carries order %s to be told of its return", state.key)

    def _act(self) -> ReturnAct:
        state = self._state
        state.revision = max(state.revision + 1, int(workflow.now().timestamp() * 1000))
        return ReturnAct(
            key=state.key,
            return_id=state.wish.return_id,
            number=state.wish.number,
            revision=state.revision,
            in_storefront=state.wish.in_storefront,
            was_stopped=state.was_stopped,
        )

    def _tell(self, actor: str, text: str) -> None:
        self._state.timeline = (
            *self._state.timeline,
            TimelineEntry(at=workflow.now(), actor=actor, text=text),
        )
        workflow.set_current_details(narrative.details(self._state))

    def _seen(self, message_id: str) -> bool:
        """Whether a message came before; remembers it."""
        if message_id and message_id in self._state.seen_messages:
            return True
        if message_id:
            self._state.seen_messages = (*self._state.seen_messages, message_id)[-REMEMBERED_MESSAGES:]
        return False

    def waits_on(self) -> str | None:
        """The outside system whose answer the return waits for; for a worker, which knows how that system is."""
        return narrative.waits_on(self._state)

    # -- queries ---------------------------------------------------------------------------------------------------

    @workflow.query
    def status(self) -> ReturnView:
        """Where the return stands, in plain words."""
        return narrative.view(self._state)

    @workflow.query
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The return's story, oldest first."""
        return self._state.timeline


def _refusal_of(error: BaseException) -> Refusal | None:
    """The refusal inside a failed activity; None where the failure is not one of ``activities.failures``."""
    cause = error.__cause__
    if not isinstance(cause, ApplicationError) or not cause.details:
        return None
    return Refusal.model_validate(cause.details[0])


def _refuse(obstacle: str) -> None:
    if obstacle:
        raise ApplicationError(obstacle, type="NotPossibleNow")
