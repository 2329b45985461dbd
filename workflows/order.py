"""One storefront order from webhook to closing: decisions and waiting, nothing else.

The loop asks ``steps.next_step`` and does it; messages only change the state and wake the loop. An activity that
meets an outage is retried by Temporal for as long as it lasts; one that is refused leaves a ``Problem``, and the
order waits for ``resubmit``.
"""

import asyncio
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.cases import CaseActivities
    from activities.contracts import (
        ERP_QUEUE,
        CapturePayments,
        CloseOrder,
        LeaveCases,
        ReadOrder,
        ReportProblem,
        ReportShipment,
        storefront_queue,
    )
    from activities.failures import Refusal
    from activities.orders import OrderActivities
    from domain.amendment import fingerprint
    from domain.exchanges import with_later_lines
    from domain.kits import tracking_of_pieces
    from domain.order import CancelKind
    from domain.quantities import QuantitiesBroken, lines_from_order
    from domain.status import OrderStatus
    from workflows import happenings, narrative
    from workflows.calls import ONE_CALL, ORDERS_FIRST, PATIENT, SHIPMENTS_NEXT, refusal_of
    from workflows.messages import (
        ORDER_WORKFLOW,
        ORDERS_QUEUE,
        Attention,
        CancelRequest,
        CancelStage,
        OrderResult,
    )
    from workflows.order_cancels import STOREFRONT
    from workflows.order_in_erp import OrderInErp
    from workflows.order_state import OrderStart, OrderState
    from workflows.search import ORDER_STATE
    from workflows.steps import Step, delivered_with, next_step, units_by_sku, unreported_shipments

_ENDINGS = {OrderStatus.CLOSED: Attention.CLOSED, OrderStatus.CANCELED: Attention.CANCELED}

# Done without a refusal, these take the order out of its cases in the same call.
_OVERCOMES = {Step.SUBMIT, Step.CAPTURE, Step.AMEND, Step.ENTER_EXCHANGE, Step.REPORT, Step.CLOSE}


@workflow.defn(name=ORDER_WORKFLOW)
class OrderWorkflow(OrderInErp):
    """The life of one order; id ``order:{channel}:{external id}``."""

    @workflow.init
    def __init__(self, start: OrderStart) -> None:
        super().__init__(start)
        self._steps = {
            Step.READ: self._read,
            Step.CANCEL: self._cancel,
            Step.CANCEL_UNITS: self._cancel_units,
            Step.ASK_WAREHOUSE: self._ask_warehouse,
            Step.ASK_ABOUT_GIVEN_UP: self._ask_about_given_up,
            Step.ASK_APPROVAL: self._ask_approval,
            Step.SUBMIT: self._submit,
            Step.CAPTURE: self._capture,
            Step.HAND_OVER: self._hand_over,
            Step.AMEND: self._amend,
            Step.CANCEL_REST: self._cancel_rest,
            Step.SEND_WHAT_IS_THERE: self._send_what_is_there,
            Step.REPORT: self._report,
            Step.ENTER_EXCHANGE: self._enter_exchange,
            Step.OPEN_RETURN: self._open_return,
            Step.TELL_RETURN: self._tell_return,
            Step.CLOSE: self._close,
            Step.REPORT_PROBLEM: self._report_problem,
            Step.LEAVE_CASES: self._leave_cases,
            Step.WAIT: self._wait,
        }

    @workflow.run
    async def run(self, start: OrderStart) -> OrderResult:
        """Go on until the order is closed, canceled or ignored."""
        del start  # taken by __init__, which runs before the first message
        while True:
            step = next_step(self._state)
            self._show()
            if step is Step.FINISH:
                await workflow.wait_condition(workflow.all_handlers_finished)
                if self._hears_more():
                    self._begin_anew()
                break
            if step is Step.WAIT and self._may_continue_as_new():
                workflow.continue_as_new(OrderStart(key=self._state.key, state=self._state))
            await self._take(step)
        assert self._state.outcome is not None
        return OrderResult(outcome=self._state.outcome, text=narrative.sentence(self._state))

    def _hears_more(self) -> bool:
        """Whether somebody told of the order while it was being closed: it may have to come back to life for that."""
        state = self._state
        comes_back = bool(state.return_wishes) or self._comes_back()
        return state.outcome is Attention.CLOSED and (state.reread or comes_back)

    def _begin_anew(self) -> NoReturn:
        """Continue as an order that ended and was told of something: its first reading decides what that means."""
        workflow.upsert_search_attributes([ORDER_STATE.value_set(Attention.WORKING.value)])
        state = self._state
        # Goods that came in while it was being closed are found anew in what the ERP told of them.
        early = state.erp if state.return_wishes else state.erp_early
        begins = OrderState(key=state.key, return_asks=state.return_asks, erp_early=early)
        workflow.continue_as_new(OrderStart(key=state.key, state=begins))

    async def _take(self, step: Step) -> None:
        """Do one step; a refusal becomes a problem, anything that is not one of ours goes up."""
        try:
            await self._finish_in_any_case(self._steps[step])
            if step in _OVERCOMES and self._state.problem is None:
                self._state.in_cases = False
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                self._temporal_cancel()
                return
            refusal = refusal_of(error)
            if refusal is None:
                raise
            if step is Step.CANCEL:
                self._state.cancel_interrupted = self._state.cancel
                self._cancel_ended(refusal.reason)
            if step is Step.CANCEL_UNITS and self._state.unit_cancel is not None:
                self._state.unit_cancel = self._state.unit_cancel.at(CancelStage.WAITS)
            self._stop(step, refusal, in_case=True)
        except QuantitiesBroken as error:
            self._stop(step, Refusal(cause="quantities_broken", reason=str(error)))
        if self._state.reread:
            # It was told of a change while the step was under way.
            self._try_again()

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        self._state.reading = True
        try:
            await self._read_order()
        finally:
            self._state.reading = False

    async def _read_order(self) -> None:
        state = self._state
        # Before the answer: a hint that comes while the answer is on its way may tell of something newer.
        state.reread, state.read_at = False, workflow.now()
        # What is still to be carried into the ERP needs no comparing: it is not there yet.
        compare, state.compare = state.compare and not state.amend, False
        asks, state.ask_erp = state.ask_erp, False
        news_before = self._news_of_erp
        read = await workflow.execute_activity_method(
            OrderActivities.read_order,
            ReadOrder(
                key=state.key,
                revision=self._next_revision(),
                first=state.order is None,
                submitted=state.erp is not None,
                compare=compare,
                given=fingerprint(state.order) if compare and state.order else "",
                mapping_version="" if state.take_new_mapping else state.mapping_version,
                acceptances=state.acceptances,
                revive=self._comes_back(),
                fees=state.fees,
                given_back=state.given_back,
                ask_erp=asks,
            ),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Read the order from the storefront",
            priority=ORDERS_FIRST,
        )
        if read.erp is not None:
            self._take_asked(read.erp, told_meanwhile=self._news_of_erp != news_before)
        order = with_later_lines(read.order, state.erp)
        before, state.order = state.order, self._of_one_party(order)
        self._count_what_went_back(before, state.order)
        unpaid, state.payment, state.return_rules = state.payment.unpaid, read.payment, read.returns
        state.backorder_rules = read.backorders
        if read.ignored is not None:
            # A late message about a finished order ends as the order ended, so that lists tell the truth of it.
            state.outcome = _ENDINGS.get(read.ended, Attention.IGNORED) if read.ended else Attention.IGNORED
            # Nothing is left to approve of an order that was emptied while it waited for that.
            state.problem = None
            self._tell("Orderwright", f"Ignored: {read.ignored}.")
            return
        self._notice_returns(read.order)
        if read.order.canceled_at is not None:
            reason = "the order was canceled in the storefront"
            kind = read.order.cancel_kind or CancelKind.OTHER
            state.cancel = CancelRequest(actor=STOREFRONT, reason=reason, kind=kind)
        if state.erp is None or state.take_new_mapping:
            state.mapping_version, state.take_new_mapping = read.mapping_version, False
        if state.erp is None:
            state.lines = lines_from_order(read.order)
            if before is None and read.ended is not None:
                self._tell("Orderwright", happenings.reopened(read.ended))
            # Read again after a hint or a resubmit, it mostly is what it was.
            if before is None or happenings.received(before) != happenings.received(read.order):
                self._tell("storefront", happenings.received(read.order))
            if narrative.awaits_payment(state) and unpaid != state.payment.unpaid:
                self._tell("Orderwright", narrative.unpaid(state))
            self._take_approval(read.approval)
            self._take_release(read.release)
            return
        self._take_release(read.release)
        # Also while a cancel is asked for, which the ERP may refuse; one by the storefront itself is no edit.
        if before is not None and read.order.canceled_at is None:
            self._notice_edit(before, order)
        self._notice_exchanges(order)
        self._notice_what_is_not_covered(unpaid)
        self._hear_about_given_up(read=True)
        self._stop_if_canceled_in_erp(state.erp)

    async def _capture(self) -> None:
        state = self._state
        assert state.order is not None
        captured = await workflow.execute_activity_method(
            OrderActivities.capture_payments,
            CapturePayments(
                key=state.key,
                mapping_version=state.mapping_version,
                everything=state.capture_all,
                revision=self._next_revision(),
                given_back=state.given_back,
                fees=state.fees,
            ),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Take the money of {state.order.number} that is due before the goods leave",
            priority=ORDERS_FIRST,
        )
        # What is missing still is asked for after the next reading, never in a circle.
        state.payment = captured.payment.model_copy(update={"capture_now": False})
        state.capture_all = False
        self._tell("Orderwright", happenings.captured(captured, state.order))

    async def _report(self) -> None:
        state = self._state
        shipment = unreported_shipments(state)[0]
        reported = await workflow.execute_activity_method(
            OrderActivities.report_shipment,
            ReportShipment(
                key=state.key,
                mapping_version=state.mapping_version,
                shipment=shipment,
                delivered=delivered_with(state, shipment),
                sent=units_by_sku(state, shipment),
                known_fulfillment_ids=tuple(state.fulfillments.values()),
                revision=self._next_revision(),
                given_back=state.given_back,
                fees=state.fees,
                more_tracking=tracking_of_pieces(state.erp, shipment) if state.erp else (),
            ),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Tell the storefront of shipment {shipment.number} and capture its money",
            priority=SHIPMENTS_NEXT,
        )
        state.fulfillments = {**state.fulfillments, shipment.shipment_id: reported.fulfillment_id}
        # The return window begins with the last parcel.
        state.unproven, state.window_until, state.window_over = True, None, False
        if reported.payment is not None:
            state.payment = reported.payment
        assert state.order is not None
        self._tell("Orderwright", happenings.shipped(shipment, reported, state.order))

    async def _close(self) -> None:
        state = self._state
        assert state.order is not None
        closing = await workflow.execute_activity_method(
            OrderActivities.close_order,
            CloseOrder(
                key=state.key,
                mapping_version=state.mapping_version,
                revision=self._next_revision(),
                acceptances=state.acceptances,
                given_back=state.given_back,
                final=state.window_over,
                known="" if state.read_to_close else fingerprint(state.order),
            ),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Compare both systems to the cent and close",
            priority=SHIPMENTS_NEXT,
        )
        if closing.given_back:
            self._tell("storefront", happenings.given_back(closing, state.order.presentment_currency))
        if closing.edited:
            state.reread = state.read_to_close = True
            return
        state.read_to_close = False
        if not closing.report.balanced:
            refusal = Refusal(
                cause=closing.report.cause,
                reason=happenings.unbalanced(closing.report, state.order.currency),
                differences=closing.report.differences,
            )
            self._stop(Step.CLOSE, refusal, in_case=True)
            return
        if closing.window_until is not None:
            state.window_until, state.unproven = closing.window_until, False
            self._tell("Orderwright", happenings.balanced(closing, state.order.currency))
            return
        state.outcome, state.closed_differing = Attention.CLOSED, bool(closing.report.accepted)
        state.closed_on_terms = bool(closing.report.on_terms)
        self._tell("Orderwright", happenings.closed(closing, state.order.currency))

    async def _report_problem(self) -> None:
        state = self._state
        problem = state.problem
        assert problem is not None
        await workflow.execute_activity_method(
            CaseActivities.report_problem,
            ReportProblem(
                key=state.key,
                revision=self._next_revision(),
                cause=problem.cause,
                reason=problem.reason,
                waiting_for=narrative.waiting_for(state),
                reminder=state.reminded_at is not None,
            ),
            task_queue=ORDERS_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Put the problem into its case",
            priority=ORDERS_FIRST,
        )
        # A message may have cleared it meanwhile, or brought another one.
        if state.problem == problem:
            state.problem = problem.model_copy(update={"in_case": True})

    async def _leave_cases(self) -> None:
        state = self._state
        decision, state.decision = state.decision, None
        state.leaves_cases = state.in_cases = False
        await workflow.execute_activity_method(
            CaseActivities.leave_cases,
            LeaveCases(
                key=state.key,
                revision=self._next_revision(),
                waiting_for=narrative.waiting_for(state),
                actor=decision.actor if decision else "",
                text=decision.text if decision else "",
            ),
            task_queue=ORDERS_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Leave the case of a problem that is over",
            priority=ORDERS_FIRST,
        )

    async def _wait(self) -> None:
        if (alarm := self._due()) is not None:
            alarm.ring()
            return
        self._set_timer()
        await workflow.wait_condition(
            lambda: (
                next_step(self._state) is not Step.WAIT
                or self._may_continue_as_new()
                or self._due() is not None
            )
        )
