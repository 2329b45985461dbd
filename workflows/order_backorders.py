"""What an order does about units that are not in stock: it waits, asks a person, or cancels the rest after some days.

The rules are pure (``domain.backorders``); here are their timer, their two calls, and what people can say to them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.backorders import BackorderActivities
    from activities.contracts import ERP_QUEUE, AmendOrder, CancelRest, storefront_queue
    from activities.failures import Refusal
    from domain.amendment import (
        EditParts,
        amendment_between,
        differing_exchanges,
        edit_parts,
        holds_the_same,
        is_dearer,
    )
    from domain.backorders import (
        ShortageAct,
        ShortageVerdict,
        grown,
        judge_shortage,
        places_in_hand,
        short_units,
        without_rest,
    )
    from domain.cases import BACKORDER, family
    from domain.erp_order import ErpOrder
    from domain.exchanges import with_later_lines
    from domain.order import Order
    from domain.quantities import lines_from_order, take_edit, units_returned
    from domain.refunds import refunded_presentment
    from domain.unit_cancels import is_whole
    from workflows import backorder_story, cancel_story, narrative
    from workflows.calls import ONE_CALL, ORDERS_FIRST, PATIENT
    from workflows.desk import read_message, refuse
    from workflows.messages import CancelRequest, OperatorAnswer, OperatorMessage, RestCancel
    from workflows.order_alarms import Alarm
    from workflows.order_preorders import OrderPreorders
    from workflows.steps import Step, lacks_returns, unreported_shipments


class OrderBackorders(OrderPreorders):
    """Base of ``OrderWorkflow``, between it and everything else that an order has of its own."""

    # -- what the ERP tells ----------------------------------------------------------------------------------------

    def _take_erp(self, erp: ErpOrder) -> None:
        super()._take_erp(erp)
        state = self._state
        short = short_units(state.erp)
        if short != state.short:
            if state.erp is not None and short:
                self._tell("ERP", backorder_story.short(state.erp, state.lines))
            elif not state.erp_is_over:
                self._tell("ERP", "Nothing is on backorder any more.")
        if not short:
            state.short_since, state.short_settled = None, {}
        elif state.short_since is None or (state.short_settled and grown(state.short, short)):
            state.short_since = workflow.now()
        state.short = short
        self._hear_answer_of_the_warehouse()

    def _hear_answer_of_the_warehouse(self) -> None:
        """Stock that has come, or a parcel that has left, ends the asking."""
        state, problem = self._state, self._state.problem
        if problem is None or family(problem.cause) != BACKORDER:
            return
        if not state.short:
            self._go_on(problem)
            self._tell("Orderwright", "All of it is in stock now; the order goes on.")
        elif unreported_shipments(state):
            state.short_settled = state.short
            self._go_on(problem)
            self._tell("Orderwright", "A parcel has left all the same; the rest follows as it comes.")

    # -- what is to be done, and when ------------------------------------------------------------------------------

    def _shortage(self) -> ShortageVerdict:
        state = self._state
        return judge_shortage(
            state.backorder_rules, state.short, state.short_since, workflow.now(), state.short_settled
        )

    def _alarms(self) -> tuple[Alarm, ...]:
        state, verdict = self._state, self._shortage()
        if verdict.at is None:
            return super()._alarms()
        free = not (state.problem or state.cancel or state.outcome or state.held_by)
        asks = verdict.act is ShortageAct.ASK
        ring = self._ask_about_shortage if asks else self._cancel_what_is_short
        until = (
            "Until a person is asked about what is not in stock"
            if asks
            else "Until what is not in stock is canceled"
        )
        return (*super()._alarms(), Alarm(verdict.at, until, free, ring))

    def _cancel_what_is_short(self) -> None:
        days = self._state.backorder_rules.cancel_rest_after_days
        self._wish_cancel_rest("Orderwright", f"not in stock for {days} days")

    def _ask_about_shortage(self) -> None:
        state = self._state
        assert state.erp is not None
        skus = {line.sku or line.title for line in state.lines if line.line_id in state.short}
        cause = f"{BACKORDER}:{state.key.channel}:{' + '.join(sorted(skus))}"
        reason = backorder_story.asks(state.erp, state.lines)
        self._stop(Step.WAIT, Refusal(cause=cause, reason=reason))

    def _wish_cancel_rest(self, actor: str, reason: str) -> None:
        """The rest is to be canceled; where nothing else is there, that is the whole order."""
        state = self._state
        assert state.order is not None
        assert state.erp is not None
        # Whatever comes of it, the same units are not canceled in a circle.
        state.short_settled = state.short
        page = cancel_story.page(state)
        down_to = without_rest(page, state.erp)
        if not down_to:
            self._tell("Orderwright", f"Not canceled: {backorder_story.NOTHING_TO_CANCEL}.")
            return
        if is_whole(page, down_to):
            state.cancel, state.cancel_refused = CancelRequest(actor=actor, reason=reason), None
            self._tell(actor, f"Asked to cancel the order, of which nothing is there: {reason}.")
            return
        state.rest_cancel = RestCancel(actor=actor, reason=reason)
        self._read_what_came_back()
        self._tell(actor, f"Asked to cancel what is on backorder: {reason}.")

    def _read_what_came_back(self) -> None:
        """Before units are canceled: the storefront is told how many are to be left of those on its page."""
        self._state.reread = self._state.reread or lacks_returns(self._state)

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _cancel_rest(self) -> None:
        """In the storefront, whose new totals the ERP is amended to afterwards."""
        state, wish = self._state, self._state.rest_cancel
        assert state.order is not None
        assert state.erp is not None
        assert wish is not None
        before, down_to = state.order, without_rest(state.order, state.erp)
        if not down_to:
            state.rest_cancel = None
            self._tell("Orderwright", "Nothing is on backorder any more, so nothing was canceled.")
            return
        places = places_in_hand(state.erp, down_to)
        what = f"Cancel what is on backorder of {before.number}"
        await self._take_units_off(down_to, places, wish.actor, wish.reason, what)
        state.rest_cancel = None

    async def _take_units_off(
        self,
        down_to: Mapping[str, int],
        places: Mapping[str, dict[str, int]],
        actor: str,
        reason: str,
        what: str,
    ) -> None:
        """In the storefront; ``places`` are where the units that stay are to leave from."""
        state = self._state
        assert state.order is not None
        before = state.order
        canceled = await workflow.execute_activity_method(
            BackorderActivities.cancel_rest,
            CancelRest(
                key=state.key,
                mapping_version=state.mapping_version,
                revision=self._next_revision(),
                units=down_to,
                total_before=before.presentment_total,
                actor=actor,
                reason=reason,
                words=cancel_story.units(before, down_to),
                given_back=state.given_back,
                fees=state.fees,
                refunded_before=refunded_presentment(before),
            ),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"{what} in the storefront",
            priority=ORDERS_FIRST,
        )
        state.places = dict(places)
        state.order = with_later_lines(canceled.order, state.erp)
        state.payment = canceled.payment
        state.given_for_units += canceled.given_back
        self._tell(actor, cancel_story.units_canceled(before, down_to, canceled))
        if state.erp is None:
            state.lines = lines_from_order(canceled.order)
        else:
            self._notice_edit(before, state.order)

    async def _send_what_is_there(self) -> None:
        state = self._state
        assert state.order is not None
        erp = await workflow.execute_activity_method(
            BackorderActivities.send_what_is_there,
            AmendOrder(
                order=state.order,
                mapping_version=state.mapping_version,
                revision=self._next_revision(),
                edit="",
                acceptances=state.acceptances,
                places=state.places,
                ship_what_is_there=True,
            ),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Let the ERP send what is there of {state.order.number}",
            priority=ORDERS_FIRST,
        )
        state.send_what_is_there = False
        self._take_erp(erp)
        self._tell("ERP", "What is there may leave; the rest follows as it comes.")

    def _notice_edit(self, before: Order, now: Order) -> None:
        """Where the storefront holds another order than the ERP was given, that is to be carried over."""
        state = self._state
        left = narrative.left_units(state)
        # Also where units are taken off that have left: the ERP keeps them, and says so.
        edit = amendment_between(before, now, {}, state.exchanges)
        if not edit.empty:
            self._tell(
                "storefront", f"Edited after it was entered in the ERP: {edit.sentence(now.currency)}."
            )
        given = state.given or before
        if amendment_between(given, now, left, state.exchanges).empty:
            same = state.erp is not None and holds_the_same(now, state.erp)
            same = same and state.erp is not None and not differing_exchanges(now, state.erp)
            if state.amend and units_returned(now) and same:
                # Undone in the storefront; of an edit after a return the ERP was given nothing.
                state.amend, state.given, state.edited = False, None, None
                state.lines = take_edit(state.lines, now)
            return
        parts = edit_parts(before, now, left, state.exchanges)
        if parts == EditParts() and not state.amend:
            self._tell("Orderwright", "The ERP keeps what it has: nothing of it is still to leave.")
            return
        dearer = edit_parts(given, now, left, state.exchanges).dearer
        # Also one that was told of before, and is not paid yet.
        dearer = dearer or (state.erp is not None and is_dearer(now, state.erp))
        parts = parts.model_copy(update={"dearer": dearer})
        # Where it is to be amended already and nobody noted what, that is what was sold.
        state.edited = (state.edited or EditParts(sold=state.amend)).joined(parts)
        state.amend, state.given = True, given
        self._notice_what_waits_for_money()
        # Until the ERP agrees nothing is canceled: it may still send what it holds.
        units = {line.line_id: line.current for line in now.lines}
        held = {line.line_id: max(line.due, units.get(line.line_id, 0)) for line in state.lines}
        state.lines = take_edit(state.lines, now, held)

    # -- messages from operators -----------------------------------------------------------------------------------

    @workflow.signal(name="wait_for_all")
    def wait_for_all_signal(self, body: Any = None) -> None:
        """Let the order wait until all of it is in stock."""
        self._told_by_signal(
            "wait_for_all", body, backorder_story.wait_obstacle(self._state), self._wait_for_all
        )

    @workflow.signal(name="ship_what_is_there")
    def ship_what_is_there_signal(self, body: Any = None) -> None:
        """Let leave what is in stock, and the rest as it comes."""
        self._told_by_signal(
            "ship_what_is_there", body, backorder_story.ship_obstacle(self._state), self._ship_what_is_there
        )

    @workflow.signal(name="cancel_rest")
    def cancel_rest_signal(self, body: Any = None) -> None:
        """Cancel in both systems what is on backorder; of an order that asks about what was given up, that."""
        self._told_by_signal(
            "cancel_rest", body, backorder_story.cancel_rest_obstacle(self._state), self._cancel_rest_by
        )

    @workflow.update(name="wait_for_all")
    def wait_for_all_update(self, body: Any = None) -> OperatorAnswer:
        """Let the order wait until all of it is in stock."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._wait_for_all(message)
        return OperatorAnswer(done=True, text="The order waits until all of it is in stock.")

    @wait_for_all_update.validator
    def _may_wait_for_all(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse(backorder_story.wait_obstacle(self._state))

    @workflow.update(name="ship_what_is_there")
    def ship_what_is_there_update(self, body: Any = None) -> OperatorAnswer:
        """Let leave what is in stock, and the rest as it comes."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._ship_what_is_there(message)
        return OperatorAnswer(done=True, text="What is in stock leaves, the rest as it comes.")

    @ship_what_is_there_update.validator
    def _may_ship_what_is_there(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse(backorder_story.ship_obstacle(self._state))

    @workflow.update(name="cancel_rest")
    def cancel_rest_update(self, body: Any = None) -> OperatorAnswer:
        """Cancel in both systems what is on backorder; of an order that asks about what was given up, that."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._cancel_rest_by(message)
        return OperatorAnswer(
            done=True, text="It is being canceled in both systems; all else of the order goes on."
        )

    @cancel_rest_update.validator
    def _may_cancel_rest(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse(backorder_story.cancel_rest_obstacle(self._state))

    def _told_by_signal(
        self, name: str, body: Any, obstacle: str, act: Callable[[OperatorMessage], None]
    ) -> None:
        message = self._heard(name, body, OperatorMessage)
        if message is None or self._seen(message.message_id) or not self._concerns(message):
            return
        if obstacle:
            self._tell(message.actor, f"Decided about the backorder; refused: {obstacle}.")
        else:
            act(message)

    def _wait_for_all(self, message: OperatorMessage) -> None:
        self._decided(message, "Decided to wait until all of it is in stock")

    def _ship_what_is_there(self, message: OperatorMessage) -> None:
        state = self._state
        # Else the ERP has never held it back.
        state.send_what_is_there = state.backorder_rules.holds_back and not state.ship_what_is_there
        state.ship_what_is_there = True
        self._decided(message, "Decided to send what is there, and the rest as it comes")

    def _cancel_rest_by(self, message: OperatorMessage) -> None:
        self._settle()
        self._wish_cancel_rest(message.actor, message.reason or "no reason given")

    def _decided(self, message: OperatorMessage, what: str) -> None:
        self._settle()
        self._tell(message.actor, f"{what}: {message.reason or 'no reason given'}.")

    def _settle(self) -> None:
        """A person has decided about what is short now; more that is short later is another question."""
        state, problem = self._state, self._state.problem
        state.short_settled = state.short
        if problem is not None and family(problem.cause) == BACKORDER:
            self._go_on(problem)
