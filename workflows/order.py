"""One storefront order from webhook to closing: decisions and waiting, nothing else.

The loop asks ``steps.next_step`` and does it; messages only change the state and wake the loop. An activity that
meets an outage is retried by Temporal for as long as it lasts; one that is refused leaves a ``Problem``, and the
order waits for ``resubmit``.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        ERP_CHANGED,
        ERP_QUEUE,
        ERP_UNREADABLE,
        STOREFRONT_QUEUE,
        CancelOrder,
        CloseOrder,
        ReadOrder,
        ReportShipment,
        SubmitOrder,
        UnreadableRecord,
    )
    from activities.failures import Refusal
    from activities.orders import OrderActivities
    from domain.edits import describe_edit
    from domain.erp_order import ErpOrder, ErpOrderState
    from domain.quantities import QuantitiesBroken, apply_erp, cancel_open, lines_from_order
    from domain.status import OrderStatus
    from workflows import narrative
    from workflows.messages import (
        ORDER_WORKFLOW,
        STOREFRONT_CHANGED,
        Attention,
        CancelRequest,
        OperatorAnswer,
        OperatorMessage,
        OrderResult,
        OrderStart,
        OrderState,
        OrderView,
        Problem,
        StorefrontChanged,
        TimelineEntry,
    )
    from workflows.search import ERP_NUMBER, ORDER_NUMBER, ORDER_STATE
    from workflows.steps import Step, delivered_with, next_step, shipped_ids, unreported_shipments

# No schedule-to-close anywhere: an outage may last, giving up would lose the order.
PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=60)
)
ONE_CALL = timedelta(seconds=60)
ORDERS_FIRST = Priority(priority_key=1)
SHIPMENTS_NEXT = Priority(priority_key=2)

STOREFRONT = "storefront"
_ENDINGS = {OrderStatus.CLOSED: Attention.CLOSED, OrderStatus.CANCELED: Attention.CANCELED}
REMEMBERED_MESSAGES = 50
LONGEST_TIMELINE = 100
# A hint that is older than our last read by more than the clocks may differ tells us nothing new.
CLOCK_MARGIN = timedelta(minutes=2)


@workflow.defn(name=ORDER_WORKFLOW)
class OrderWorkflow:
    """The life of one order; id ``order:{channel}:{external id}``."""

    @workflow.init
    def __init__(self, start: OrderStart) -> None:
        self._state = start.state or OrderState(key=start.key)
        self._attention = Attention.WORKING if start.state is None else narrative.attention(self._state)
        self._steps = {
            Step.READ: self._read,
            Step.CANCEL: self._cancel,
            Step.SUBMIT: self._submit,
            Step.REPORT: self._report,
            Step.CLOSE: self._close,
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
                break
            if step is Step.WAIT and self._may_continue_as_new():
                workflow.continue_as_new(OrderStart(key=self._state.key, state=self._state))
            await self._take(step)
        await workflow.wait_condition(workflow.all_handlers_finished)
        assert self._state.outcome is not None
        return OrderResult(outcome=self._state.outcome, text=narrative.sentence(self._state))

    def _may_continue_as_new(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished()

    async def _take(self, step: Step) -> None:
        """Do one step; a refusal becomes a problem, anything that is not one of ours goes up."""
        try:
            await self._finish_in_any_case(step)
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                self._temporal_cancel()
                return
            refusal = _refusal_of(error)
            if refusal is None:
                raise
            if step is Step.CANCEL:
                self._state.cancel_interrupted = self._state.cancel
                self._cancel_ended(refusal.reason)
            self._stop(step, refusal)
        except QuantitiesBroken as error:
            self._stop(step, Refusal(cause="quantities_broken", reason=str(error)))

    async def _finish_in_any_case(self, step: Step) -> None:
        """Do a step. A call that is under way may have changed a system already: Temporal's cancel does not drop it."""
        doing = asyncio.create_task(self._steps[step]())
        try:
            await asyncio.shield(doing)
        except asyncio.CancelledError:
            self._temporal_cancel()
            await doing

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        state = self._state
        # Before the answer: a hint that comes while the answer is on its way may tell of something newer.
        state.reread, state.read_at = False, workflow.now()
        read = await workflow.execute_activity_method(
            OrderActivities.read_order,
            ReadOrder(
                key=state.key,
                revision=self._next_revision(),
                first=state.order is None,
                submitted=state.erp is not None,
            ),
            task_queue=STOREFRONT_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Read the order from the storefront",
            priority=ORDERS_FIRST,
        )
        before, state.order = state.order, read.order
        if read.ignored is not None:
            # A late message about a finished order ends as the order ended, so that lists tell the truth of it.
            state.outcome = _ENDINGS.get(read.ended, Attention.IGNORED) if read.ended else Attention.IGNORED
            self._tell("Orderwright", f"Ignored: {read.ignored}.")
            return
        if read.order.canceled_at is not None:
            state.cancel = CancelRequest(actor=STOREFRONT, reason="the order was canceled in the storefront")
        if state.erp is None:
            state.mapping_version = read.mapping_version
            state.lines = lines_from_order(read.order)
            self._tell("storefront", narrative.received(read.order))
            return
        edit = describe_edit(before, read.order) if before is not None else None
        if edit is not None and state.cancel is None:
            reason = f"The order was edited in the storefront after it was entered in the ERP: {edit}."
            self._stop(Step.READ, Refusal(cause="edited_after_submission", reason=reason))
        if edit is not None:
            state.lines = apply_erp(lines_from_order(read.order), state.erp)
        self._stop_if_canceled_in_erp(state.erp)

    async def _submit(self) -> None:
        state = self._state
        assert state.order is not None
        erp = await workflow.execute_activity_method(
            OrderActivities.submit_order,
            SubmitOrder(
                order=state.order, mapping_version=state.mapping_version, revision=self._next_revision()
            ),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Enter {state.order.number} in the ERP",
            priority=ORDERS_FIRST,
        )
        self._take_erp(erp)
        self._tell("ERP", narrative.submitted(erp))
        if state.erp_early is not None:
            early, state.erp_early = state.erp_early, None
            self._take_erp(early)

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
                known_fulfillment_ids=tuple(state.fulfillments.values()),
                revision=self._next_revision(),
            ),
            task_queue=STOREFRONT_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Tell the storefront of shipment {shipment.number} and capture its money",
            priority=SHIPMENTS_NEXT,
        )
        state.fulfillments = {**state.fulfillments, shipment.shipment_id: reported.fulfillment_id}
        assert state.order is not None
        self._tell("Orderwright", narrative.shipped(shipment, reported, state.order))

    async def _close(self) -> None:
        state = self._state
        closing = await workflow.execute_activity_method(
            OrderActivities.close_order,
            CloseOrder(key=state.key, mapping_version=state.mapping_version, revision=self._next_revision()),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Compare both systems to the cent and close",
            priority=SHIPMENTS_NEXT,
        )
        assert state.order is not None
        if not closing.report.balanced:
            self._stop(
                Step.CLOSE,
                Refusal(
                    cause="unbalanced", reason=narrative.unbalanced(closing.report, state.order.currency)
                ),
            )
            return
        state.outcome = Attention.CLOSED
        self._tell("Orderwright", narrative.closed(closing, state.order.currency))

    async def _cancel(self) -> None:
        state = self._state
        assert state.cancel is not None
        wish = state.cancel
        at_erp = await workflow.execute_activity_method(
            OrderActivities.cancel_in_erp,
            CancelOrder(key=state.key, actor=wish.actor, reason=wish.reason, revision=self._next_revision()),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Cancel the order in the ERP",
            priority=ORDERS_FIRST,
        )
        if not at_erp.canceled:
            self._cancel_ended(at_erp.reason)
            self._tell("ERP", f"Not canceled: {at_erp.reason}.")
            if wish.actor == STOREFRONT:
                reason = f"The storefront canceled the order, but the ERP did not: {at_erp.reason}."
                self._stop(Step.CANCEL, Refusal(cause="cancel_refused", reason=reason))
            return
        await workflow.execute_activity_method(
            OrderActivities.cancel_in_storefront,
            CancelOrder(key=state.key, actor=wish.actor, reason=wish.reason, revision=self._next_revision()),
            task_queue=STOREFRONT_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Cancel the order in the storefront, give the money back",
            priority=ORDERS_FIRST,
        )
        state.lines = cancel_open(state.lines)
        state.cancel = state.problem = None
        state.outcome = Attention.CANCELED
        self._tell(wish.actor, f"Canceled in both systems: {wish.reason or 'no reason given'}.")

    async def _wait(self) -> None:
        await workflow.wait_condition(
            lambda: next_step(self._state) is not Step.WAIT or self._may_continue_as_new()
        )

    # -- state -----------------------------------------------------------------------------------------------------

    def _take_erp(self, erp: ErpOrder) -> None:
        """Take a snapshot of the ERP, unless it is older than what is known: what left the house stays shipped."""
        if self._state.erp is not None and not shipped_ids(self._state.erp) <= shipped_ids(erp):
            return
        self._state.lines = apply_erp(self._state.lines, erp)
        self._state.erp = erp
        self._stop_if_canceled_in_erp(erp)

    def _stop_if_canceled_in_erp(self, erp: ErpOrder) -> None:
        if erp.state is ErpOrderState.CANCELED and self._state.cancel is None:
            reason = "The order was canceled in the ERP, but not in the storefront."
            self._stop(Step.WAIT, Refusal(cause="canceled_in_erp", reason=reason))

    def _temporal_cancel(self) -> None:
        """Somebody asked Temporal itself to cancel the workflow: that is a wish to cancel the order, not to lose it."""
        message = OperatorMessage(actor="Temporal", reason="cancellation of the workflow was requested")
        self._wish_cancel(message)

    def _cancel_ended(self, refused: str) -> None:
        self._state.cancel = None
        self._state.cancel_refused = refused

    def _stop(self, step: Step, refusal: Refusal) -> None:
        remedy = narrative.remedy(step, refusal.cause)
        self._state.problem = Problem(
            cause=refusal.cause, reason=refusal.reason, remedy=remedy, since=workflow.now()
        )
        self._tell("Orderwright", f"Stopped: {refusal.reason}")

    def _next_revision(self) -> int:
        """Grows with every step, also from one run of the order to a later one: milliseconds of workflow time."""
        self._state.revision = max(self._state.revision + 1, int(workflow.now().timestamp() * 1000))
        return self._state.revision

    def _tell(self, actor: str, text: str) -> None:
        entry = TimelineEntry(at=workflow.now(), actor=actor, text=text)
        self._state.timeline = (*self._state.timeline, entry)[-LONGEST_TIMELINE:]
        self._show()

    def _show(self) -> None:
        """Make the Temporal UI tell where the order stands; costs one action, and only when the group changes."""
        workflow.set_current_details(narrative.details(self._state))
        attention = narrative.attention(self._state)
        if attention is self._attention:
            return
        self._attention = attention
        attributes = [ORDER_STATE.value_set(attention.value)]
        if self._state.order is not None:
            attributes.append(ORDER_NUMBER.value_set(self._state.order.number))
        if self._state.erp is not None:
            attributes.append(ERP_NUMBER.value_set(self._state.erp.number))
        workflow.upsert_search_attributes(attributes)

    def _seen(self, message_id: str) -> bool:
        """Whether a message came before; remembers it."""
        if message_id and message_id in self._state.seen_messages:
            return True
        if message_id:
            self._state.seen_messages = (*self._state.seen_messages, message_id)[-REMEMBERED_MESSAGES:]
        return False

    # -- messages from the systems ---------------------------------------------------------------------------------

    @workflow.signal(name=STOREFRONT_CHANGED)
    def storefront_changed(self, message: StorefrontChanged) -> None:
        """A webhook says that the storefront changed the order."""
        if self._seen(message.message_id):
            return
        creation = message.topic.endswith("/create") and message.topic.startswith("orders")
        # During the first reading nobody knows yet whether it saw the change: read again.
        read_at, occurred_at = self._state.read_at, message.occurred_at
        known = read_at is not None and occurred_at is not None and occurred_at < read_at - CLOCK_MARGIN
        if not creation and not known:
            self._state.reread = True

    @workflow.signal(name=ERP_CHANGED)
    def erp_changed(self, erp: ErpOrder) -> None:
        """The ERP's change feed brings the order as it is there now."""
        if self._state.outcome is not None:
            return
        if self._state.erp is None:
            self._state.erp_early = erp
            return
        try:
            self._take_erp(erp)
        except QuantitiesBroken as error:
            self._stop(Step.REPORT, Refusal(cause="quantities_broken", reason=str(error)))
        self._show()

    @workflow.signal(name=ERP_UNREADABLE)
    def erp_unreadable(self, record: UnreadableRecord) -> None:
        """The ERP changed the order into something that cannot be read."""
        if self._state.outcome is None:
            reason = f"The ERP's record of the order cannot be read: {record.reason}."
            self._stop(Step.WAIT, Refusal(cause="erp_unreadable", reason=reason))

    # -- messages from operators: signals for the Temporal UI, updates for an answer at once -----------------------

    @workflow.signal(name="cancel")
    def cancel_signal(self, message: OperatorMessage | None = None) -> None:
        """Cancel the whole order, as long as nothing is picked."""
        message = message or OperatorMessage()
        if not self._seen(message.message_id):
            self._wish_cancel(message)

    @workflow.signal(name="resubmit")
    def resubmit_signal(self, message: OperatorMessage | None = None) -> None:
        """Go on after the cause of a problem was mended."""
        message = message or OperatorMessage()
        if not self._seen(message.message_id) and self._state.problem is not None:
            self._resubmit(message)

    @workflow.signal(name="hold")
    def hold_signal(self, message: OperatorMessage | None = None) -> None:
        """Stop before the next step, until ``release``."""
        message = message or OperatorMessage()
        if not self._seen(message.message_id) and self._state.held_by is None:
            self._hold(message)

    @workflow.signal(name="release")
    def release_signal(self, message: OperatorMessage | None = None) -> None:
        """Go on after ``hold``."""
        message = message or OperatorMessage()
        if not self._seen(message.message_id) and self._state.held_by is not None:
            self._release(message)

    @workflow.update(name="cancel")
    async def cancel_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Cancel the whole order and say how it went."""
        if not self._seen(message.message_id):
            self._ask_cancel(message)
        await workflow.wait_condition(lambda: self._state.cancel is None or self._state.outcome is not None)
        if self._state.outcome is Attention.CANCELED:
            return OperatorAnswer(done=True, text=narrative.sentence(self._state))
        refused = self._state.cancel_refused or "the order could not be canceled"
        return OperatorAnswer(done=False, text=f"Not canceled: {refused}.")

    @cancel_update.validator
    def _may_cancel(self, message: OperatorMessage) -> None:
        del message
        _refuse(narrative.cancel_obstacle(self._state))

    @workflow.update(name="resubmit")
    def resubmit_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Go on after the cause of a problem was mended."""
        if not self._seen(message.message_id):
            self._resubmit(message)
        return OperatorAnswer(done=True, text="The order is read again and goes on.")

    @resubmit_update.validator
    def _may_resubmit(self, message: OperatorMessage) -> None:
        del message
        _refuse("" if self._state.problem else "the order has no problem that waits for it")

    @workflow.update(name="hold")
    def hold_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Stop before the next step, until ``release``."""
        if not self._seen(message.message_id):
            self._hold(message)
        return OperatorAnswer(done=True, text="The order waits; a step under way is finished first.")

    @hold_update.validator
    def _may_hold(self, message: OperatorMessage) -> None:
        del message
        _refuse(narrative.hold_obstacle(self._state))

    @workflow.update(name="release")
    def release_update(self, message: OperatorMessage) -> OperatorAnswer:
        """Go on after ``hold``."""
        if not self._seen(message.message_id):
            self._release(message)
        return OperatorAnswer(done=True, text="The order goes on.")

    @release_update.validator
    def _may_release(self, message: OperatorMessage) -> None:
        del message
        _refuse("" if self._state.held_by else "the order is not on hold")

    def _wish_cancel(self, message: OperatorMessage) -> None:
        obstacle = narrative.cancel_obstacle(self._state)
        if obstacle:
            self._tell(message.actor, f"Asked to cancel; refused: {obstacle}.")
        else:
            self._ask_cancel(message)

    def _ask_cancel(self, message: OperatorMessage) -> None:
        self._state.cancel = CancelRequest(actor=message.actor, reason=message.reason)
        self._state.cancel_refused = None
        self._tell(message.actor, f"Asked to cancel the order: {message.reason or 'no reason given'}.")

    def _resubmit(self, message: OperatorMessage) -> None:
        self._state.problem = None
        self._state.reread = True
        self._state.cancel = self._state.cancel or self._state.cancel_interrupted
        self._state.cancel_interrupted = None
        self._tell(message.actor, "Asked to go on; the order is read again.")

    def _hold(self, message: OperatorMessage) -> None:
        self._state.held_by = message.actor
        self._tell(message.actor, f"Put the order on hold: {message.reason or 'no reason given'}.")

    def _release(self, message: OperatorMessage) -> None:
        self._state.held_by = None
        self._tell(message.actor, "Released the order.")

    # -- queries ---------------------------------------------------------------------------------------------------

    @workflow.query
    def status(self) -> OrderView:
        """Where the order stands, in plain words."""
        return narrative.view(self._state)

    @workflow.query
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The order's story, oldest first."""
        return self._state.timeline


def _refuse(obstacle: str) -> None:
    if obstacle:
        raise ApplicationError(obstacle, type="NotPossibleNow")


def _refusal_of(error: BaseException) -> Refusal | None:
    """The refusal inside a failed activity; None where the failure is not one of ``activities.failures``."""
    cause = error.__cause__
    if not isinstance(cause, ApplicationError) or not cause.details:
        return None
    return Refusal.model_validate(cause.details[0])
