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
    from activities.exchanges import ExchangeActivities
    from activities.failures import Refusal
    from activities.return_contracts import (
        AuthorizeReturn,
        ClearReturn,
        CreditReturn,
        EndReturn,
        RefundReturn,
        ReleaseExchange,
        ReportReturn,
    )
    from activities.returns import ReturnActivities
    from domain.cases import RETURN_INSPECTION, RETURN_REQUESTED
    from domain.returns import Disposition
    from workflows import return_narrative as narrative
    from workflows.calls import ONE_CALL, PATIENT, SHIPMENTS_NEXT, refusal_of
    from workflows.messages import (
        ORDERS_QUEUE,
        CancelRequest,
    )
    from workflows.return_desk import ORDERWRIGHT, ReturnDesk
    from workflows.return_messages import (
        RETURN_NEWS,
        RETURN_WORKFLOW,
        ReturnNews,
        ReturnResult,
        ReturnStart,
    )
    from workflows.return_steps import (
        ReturnStep,
        by_rule,
        given_back,
        judged,
        next_return_step,
        received,
        settled_in_erp,
        units_back,
        units_in_storefront,
        units_that_become,
    )

_CALLING = frozenset(
    {
        ReturnStep.AUTHORIZE,
        ReturnStep.RELEASE,
        ReturnStep.CREDIT,
        ReturnStep.REFUND,
        ReturnStep.GIVE_UP,
        ReturnStep.LEAVE_CASE,
    }
)


@workflow.defn(name=RETURN_WORKFLOW)
class ReturnWorkflow(ReturnDesk):
    """The life of one return; id ``return:{channel}:{external id}:{return id}``."""

    @workflow.init
    def __init__(self, start: ReturnStart) -> None:
        super().__init__(start)
        self._steps = {
            ReturnStep.REPORT_PROBLEM: self._report_problem,
            ReturnStep.ASK_APPROVAL: self._ask_approval,
            ReturnStep.AUTHORIZE: self._authorize,
            ReturnStep.ASK_INSPECTION: self._inspect_by_rule,
            ReturnStep.RELEASE: self._release,
            ReturnStep.CREDIT: self._credit,
            ReturnStep.REFUND: self._refund,
            ReturnStep.GIVE_UP: self._give_up,
            ReturnStep.LEAVE_CASE: self._leave_case,
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
            self._show()
            await self._finish_in_any_case(self._tell_order)
            if step is ReturnStep.FINISH:
                break
            if step is ReturnStep.WAIT and self._may_continue_as_new():
                workflow.continue_as_new(start.model_copy(update={"state": state}))
            await self._take(step)
        await workflow.wait_condition(workflow.all_handlers_finished)
        assert state.ended is not None
        return ReturnResult(text=state.ended, back=given_back(state))

    async def _take(self, step: ReturnStep) -> None:
        """Do one step; a refusal becomes a problem, anything that is not one of ours goes up."""
        try:
            await self._finish_in_any_case(self._steps[step])
            if step in _CALLING:
                self._state.was_stopped = False
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                self._temporal_cancel()
                return
            refusal = refusal_of(error)
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

    async def _release(self) -> None:
        state = self._state
        await workflow.execute_activity_method(
            ExchangeActivities.release_exchange,
            ReleaseExchange(**self._act().model_dump()),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Put on the order what the buyer gets for {state.wish.number}",
            priority=SHIPMENTS_NEXT,
        )
        state.released = True
        self._tell("storefront", narrative.released(state))

    async def _credit(self) -> None:
        self._state.settling = True
        try:
            await self._settle_in_erp()
        finally:
            self._state.settling = False

    async def _settle_in_erp(self) -> None:
        state = self._state
        state.credited = await workflow.execute_activity_method(
            ReturnActivities.credit_return,
            CreditReturn(
                **self._act().model_dump(),
                mapping_version=state.mapping_version,
                restocked=units_that_become(state, Disposition.RESTOCK),
                scrapped=units_that_become(state, Disposition.SCRAP),
                judged=None if state.wish.without_goods else judged(state),
                again=state.refund_stopped,
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
        restocked, scrapped = units_in_storefront(state)
        state.refunded = await workflow.execute_activity_method(
            ReturnActivities.refund_return,
            RefundReturn(
                **self._act().model_dump(),
                restocked=restocked,
                scrapped=scrapped,
                shipping=credited.shipping,
                location=credited.location,
                money=credited.money,
                is_back=credited.is_back,
                rest_is_over=any(
                    units > restocked.get(line, 0) + scrapped.get(line, 0)
                    for line, units in state.wish.lines.items()
                ),
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
            EndReturn(
                **self._act().model_dump(),
                reason=reason,
                in_erp=not settled_in_erp(state) and not state.by_hand,
                by_hand=state.by_hand,
            ),
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

    async def _leave_case(self) -> None:
        await workflow.execute_activity_method(
            ReturnActivities.clear_return,
            ClearReturn(**self._act().model_dump()),
            task_queue=ORDERS_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Leave the case of a problem that is over",
            priority=SHIPMENTS_NEXT,
        )

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

    async def _tell_order(self) -> None:
        """Tell the order of a problem that came or went, and of the end; nothing else costs a signal."""
        state = self._state
        cause = state.problem.cause if state.problem is not None and state.problem.in_case else ""
        # What is settled in the same breath is told with the end.
        released = state.released and not state.told_released and not state.verdicts and not state.ended
        nothing_new = cause == state.told_problem or (state.problem and not cause)
        if state.ended is None and not released and nothing_new:
            return
        state.told_problem, state.told_released = cause, state.told_released or released
        news = ReturnNews(
            return_id=state.wish.return_id,
            text=state.ended or (f"Return {state.wish.number} waits for a person." if cause else ""),
            problem=state.problem,
            ended=state.ended is not None,
            order_changed=(released or state.ended is not None)
            and (bool(state.wish.exchange) or state.by_hand),
            back=units_back(state),
            given_back=narrative.money_given_back(state) if state.ended is not None else Decimal(0),
            fee=state.credited.fee if state.refunded is not None and state.credited else Decimal(0),
        )
        order = workflow.get_external_workflow_handle(state.key.workflow_id)
        try:
            await order.signal(RETURN_NEWS, news)
        except ApplicationError:
            # The order's workflow is gone (terminated, or its history ran out): the return goes on by itself.
            workflow.logger.warning("no workflow carries order %s to be told of its return", state.key)
