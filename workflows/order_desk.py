"""What an order remembers and what it can be told: state, messages from the systems and from operators, queries.

A message only changes the state and wakes the loop of ``workflows.order``; nothing here calls an activity.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ERP_CHANGED, ERP_UNREADABLE, UnreadableRecord
    from activities.failures import Refusal
    from domain.amendment import EditParts, amendment_between, differing_exchanges, holds_otherwise, is_dearer
    from domain.cases import (
        AUTHORIZATION_EXPIRES,
        CANCEL_PICKED,
        EDIT_REFUSED,
        UNBALANCED,
        case_key,
        cured_by_mapping,
        cured_by_payment,
        cured_in_storefront,
        family,
    )
    from domain.differences import Acceptance
    from domain.erp_order import ErpOrder, ErpOrderState
    from domain.exchanges import with_later_lines
    from domain.order import Order
    from domain.quantities import (
        QuantitiesBroken,
        apply_erp,
        shipped_units,
        take_edit,
        take_returns,
        units_returned,
    )
    from domain.topics import ORDERS_PAID, ORDERS_UPDATED, RISK_ASSESSED
    from workflows import narrative, order_return_story
    from workflows.desk import Desk, problem_of, read_message, refuse
    from workflows.messages import (
        STOREFRONT_CHANGED,
        Attention,
        CancelStage,
        OperatorAnswer,
        OperatorMessage,
        OrderView,
        Problem,
        StorefrontChanged,
    )
    from workflows.order_state import OrderStart, OrderState
    from workflows.search import ERP_NUMBER, ORDER_NUMBER, ORDER_STATE
    from workflows.steps import (
        Step,
        edit_to_be_paid,
        shipped_ids,
        stands_for_approval,
        still_here,
        unreported_shipments,
    )

if TYPE_CHECKING:
    from datetime import datetime

# A hint that is older than our last read by more than the clocks may differ tells us nothing new.
CLOCK_MARGIN = timedelta(minutes=2)


class OrderDesk(Desk[OrderState]):
    """Base of ``OrderWorkflow``: everything that others see of an order and can ask of it."""

    def __init__(self, start: OrderStart) -> None:
        self._state = start.state or OrderState(key=start.key)
        self._amending = False
        self._news_of_erp = 0
        """How often the feed told of it in this run."""
        self._early_resubmit: tuple[OperatorMessage, datetime] | None = None
        self._attention = Attention.WORKING if start.state is None else narrative.attention(self._state)

    # -- state -----------------------------------------------------------------------------------------------------

    def _is_in_erp(self, erp: ErpOrder) -> None:
        """The ERP has the order: what it holds otherwise than the storefront is to be carried over."""
        state = self._state
        assert state.order is not None
        tried = state.given or state.order
        # More left than the storefront has: an earlier life of the order was told to let that stay, or it left while
        # the order was entered. What the ERP makes of it, and whether that may stay, is told by the amendment.
        gone = shipped_units(erp)
        beyond = {x.line_id: gone[x.line_id] for x in state.lines if gone.get(x.line_id, 0) > x.due}
        if beyond:
            state.kept = {**state.kept, **beyond}
            state.lines = take_edit(state.lines, state.order, state.kept)
        self._take_erp(erp)
        self._take_early(erp)
        # What came back in an earlier life of it.
        left = {line.line_id: line.shipped for line in state.lines}
        back = units_returned(state.order)
        state.lines = take_returns(state.lines, {line: min(n, left.get(line, 0)) for line, n in back.items()})
        edited = not amendment_between(tried, state.order, {}).empty
        # An earlier life of it may have seen what came after an exchange.
        state.order = with_later_lines(state.order, erp)
        # An earlier life of the order may have entered another version as well.
        state.amend = edited or holds_otherwise(state.order, erp)
        state.given = tried if state.amend else None
        self._amend_exchanges()
        state.hand_over = bool(state.order.fulfillments) and bool(still_here(erp))

    def _take_erp(self, erp: ErpOrder) -> None:
        """Take a snapshot of the ERP, unless it is older than what is known: what left the house stays shipped."""
        known = self._state.erp
        if known is not None and not shipped_ids(known) <= shipped_ids(erp):
            return
        if known is not None and erp.erp_id != known.erp_id and erp.state is ErpOrderState.CANCELED:
            return  # a record that another one took the place of, told late
        self._state.lines = apply_erp(self._state.lines, erp)
        self._state.erp = erp
        self._stop_if_canceled_in_erp(erp)

    def _take_early(self, answer: ErpOrder, before: ErpOrder | None = None) -> None:
        """Take what the feed told while a call was under way, whose ``answer`` may be the older one or the newer."""
        state = self._state
        early, state.erp_early = state.erp_early, None
        if early is None or early in (answer, before) or _records(early) != _records(answer):
            return  # the same again, or of a record that was replaced
        newer = state.problem is None and shipped_ids(answer) < shipped_ids(early)
        if newer or state.problem is not None:
            self._take_erp(early)
        if not newer:
            # The feed tells each of them once: only the ERP knows which came last.
            state.ask_erp = state.reread = True

    def _take_asked(self, erp: ErpOrder, *, told_meanwhile: bool) -> None:
        """Take what the ERP answered; where the feed told otherwise in the meantime, it is asked once more."""
        if not told_meanwhile:
            self._take_erp(erp)
        elif erp != self._state.erp:
            self._state.ask_erp = self._state.reread = True

    def _amend_exchanges(self) -> None:
        """Exchanges that the ERP has otherwise than the storefront are to be amended there."""
        state = self._state
        assert state.order is not None
        differing = () if state.erp is None else differing_exchanges(state.order, state.erp)
        if state.erp is None or not differing:
            return
        dearer = is_dearer(state.order, state.erp)
        parts = EditParts(sold=state.amend, exchanges=differing, dearer=dearer)
        state.edited = state.edited.joined(parts) if state.edited else parts
        state.amend, state.given = True, state.given or state.order
        self._notice_what_waits_for_money()

    def _notice_what_waits_for_money(self) -> None:
        """Say that an edit of an exchange is to be paid first."""
        if edit_to_be_paid(self._state):
            self._state.exchange_apart = workflow.patched("an-exchange-waits-apart")
            self._tell("Orderwright", narrative.unpaid(self._state))

    def _of_one_party(self, order: Order) -> Order:
        """The order as read, of the customer whose party the ERP has: customers who were merged are one party there."""
        state = self._state
        known = state.order.customer if state.order is not None and state.erp is not None else order.customer
        if order.customer.same_as(known):
            return order
        told = order.customer.company_id or order.customer.external_id or "none"
        if told != state.merged_into:
            state.merged_into = told
            self._tell("storefront", "Shows another customer now; the ERP keeps the party that it has.")
        return order.model_copy(update={"customer": known})

    def _stop_if_canceled_in_erp(self, erp: ErpOrder) -> None:
        if erp.state is ErpOrderState.CANCELED and self._state.cancel is None:
            reason = "The order was canceled in the ERP, but not in the storefront."
            self._stop(Step.WAIT, Refusal(cause="canceled_in_erp", reason=reason))

    def _cancel_ended(self, refused: str) -> None:
        self._state.cancel = None
        self._state.cancel_refused = refused

    def _stop(self, step: Step, refusal: Refusal, *, in_case: bool = False) -> None:
        """Wait for a person. ``in_case``: an activity refused, and has put it into its case already."""
        remedy = narrative.remedy(step, refusal.cause)
        self._state.problem = problem_of(refusal, remedy, in_case=in_case)
        self._state.in_cases = True
        self._tell("Orderwright", f"Stopped: {narrative.full_stop(refusal.reason)}")
        self._hear_early_resubmit()

    def _try_again(self) -> None:
        """What the storefront tells may be the cause of a problem, or its remedy."""
        problem = self._state.problem
        if problem is None or not cured_in_storefront(problem.cause):
            return
        self._go_on(problem)
        unbalanced = family(problem.cause) == UNBALANCED
        then = "the two systems are compared again" if unbalanced else "the order is read again and goes on"
        self._tell("storefront", f"Tells of a change of the order; {then}.")

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

    # -- messages from the systems ---------------------------------------------------------------------------------

    @workflow.signal(name=STOREFRONT_CHANGED)
    def storefront_changed(self, message: StorefrontChanged) -> None:
        """A webhook says that the storefront changed the order."""
        if self._seen(message.message_id):
            return
        # What a card promises is no payment yet by the storefront's books: it tells of an update alone.
        pays = message.topic in {ORDERS_PAID, ORDERS_UPDATED} and self._hears_payment(message.topic)
        if message.topic == ORDERS_PAID and not pays:
            return
        if message.topic == RISK_ASSESSED and not self._hears_risk():
            return
        creation = message.topic.endswith("/create") and message.topic.startswith("orders")
        # During the first reading nobody knows yet whether it saw the change: read again.
        read_at, occurred_at = self._state.read_at, message.occurred_at
        known = read_at is not None and occurred_at is not None and occurred_at < read_at - CLOCK_MARGIN
        # Money that is waited for is looked for whenever somebody tells of it.
        known = known and not pays
        if not creation and not known:
            self._state.reread = True
            self._try_again()

    def _hears_payment(self, topic: str) -> bool:
        """Whether the order waited for money. It goes on; of any other it is an echo of our own last capture."""
        problem = self._state.problem
        if problem is not None and cured_by_payment(problem.cause):
            self._go_on(problem)
            says = "The order is paid, it says" if topic == ORDERS_PAID else "Tells of a change of the order"
            self._tell("storefront", f"{says}; the order goes on.")
            return True
        return self._state.order is None or narrative.awaits_payment(self._state)

    def _hears_risk(self) -> bool:
        """Whether another risk could change anything: the order is not read yet, or waits for an approval."""
        return self._state.order is None or stands_for_approval(self._state)

    @workflow.signal(name=ERP_CHANGED)
    def erp_changed(self, erp: ErpOrder) -> None:
        """The ERP's change feed brings the order as it is there now."""
        self._news_of_erp += 1
        if self._state.outcome is not None or self._state.erp is None or self._amending:
            self._state.erp_early = erp
            return
        if self._state.exchanges - {each.return_id for each in erp.exchanges}:
            # Read before the exchange was entered and heard after it, or people canceled it: only the ERP can tell.
            self._state.ask_erp = self._state.reread = True
            return
        try:
            self._take_erp(erp)
        except QuantitiesBroken as error:
            self._stop(Step.REPORT, Refusal(cause="quantities_broken", reason=str(error)))
        problem = self._state.problem
        if problem is not None and family(problem.cause) == AUTHORIZATION_EXPIRES:
            self._take_money_in_time(problem)
        self._show()

    def _take_money_in_time(self, problem: Problem) -> None:
        """A parcel ends the wait for a person: its money is to be taken while the authorization lasts."""
        if unreported_shipments(self._state):
            self._go_on(problem)
            self._tell("Orderwright", "A parcel has left; its money is taken while the authorization lasts.")

    @workflow.signal(name=ERP_UNREADABLE)
    def erp_unreadable(self, record: UnreadableRecord) -> None:
        """The ERP changed the order into something that cannot be read."""
        if self._state.outcome is None:
            reason = f"The ERP's record of the order cannot be read: {record.reason}."
            self._stop(Step.WAIT, Refusal(cause="erp_unreadable", reason=reason))

    # -- messages from operators: signals for the Temporal UI, updates for an answer at once -----------------------

    @workflow.signal(name="resubmit")
    def resubmit_signal(self, body: Any = None) -> None:
        """Go on after the cause of a problem was mended."""
        message = self._heard("resubmit", body, OperatorMessage)
        if message is None or self._seen(message.message_id) or self._resubmit_returns(message):
            return
        if self._state.problem is None:
            # Row and case are written by the activity that was refused, a moment before the order hears of it.
            self._early_resubmit = (message, workflow.now())
        elif self._concerns(message):
            self._resubmit(message)

    @workflow.signal(name="accept")
    def accept_signal(self, body: Any = None) -> None:
        """Take the differences of the problem as they are; with a name and a reason."""
        message = self._heard("accept", body, OperatorMessage)
        if message is None or self._seen(message.message_id) or not self._concerns(message):
            return
        obstacle = narrative.accept_obstacle(self._state) or narrative.unnamed(message, "accepts")
        if obstacle:
            self._tell(message.actor, f"Asked to accept; refused: {obstacle}.")
        else:
            self._accept(message)

    @workflow.signal(name="hold")
    def hold_signal(self, body: Any = None) -> None:
        """Stop before the next step, until ``release``."""
        message = self._heard("hold", body, OperatorMessage)
        if message is not None and not self._seen(message.message_id) and self._state.held_by is None:
            self._hold(message)

    @workflow.signal(name="release")
    def release_signal(self, body: Any = None) -> None:
        """Go on after ``hold``."""
        message = self._heard("release", body, OperatorMessage)
        if message is not None and not self._seen(message.message_id) and self._state.held_by is not None:
            self._release(message)

    @workflow.update(name="resubmit")
    def resubmit_update(self, body: Any = None) -> OperatorAnswer:
        """Go on after the cause of a problem was mended."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id) and not self._resubmit_returns(message):
            self._resubmit(message)
        return OperatorAnswer(done=True, text="The order is read again and goes on.")

    @resubmit_update.validator
    def _may_resubmit(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        waits = self._state.problem or order_return_story.problem_of_return(self._state)
        refuse("" if waits else "the order has no problem that waits for it")

    def _resubmit_returns(self, message: OperatorMessage) -> bool:
        """Pass a resubmit on to the returns that wait for it; whether there was any. Here nobody knows of returns."""
        del message
        return False

    @workflow.update(name="accept")
    def accept_update(self, body: Any = None) -> OperatorAnswer:
        """Take the differences of the problem as they are; with a name and a reason."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._accept(message)
        return OperatorAnswer(done=True, text="Accepted as shown; the order is read again and goes on.")

    @accept_update.validator
    def _may_accept(self, body: Any = None) -> None:
        message = read_message(body, OperatorMessage)
        refuse(narrative.accept_obstacle(self._state) or narrative.unnamed(message, "accepts"))

    @workflow.update(name="hold")
    def hold_update(self, body: Any = None) -> OperatorAnswer:
        """Stop before the next step, until ``release``."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._hold(message)
        return OperatorAnswer(done=True, text="The order waits; a step under way is finished first.")

    @hold_update.validator
    def _may_hold(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse(narrative.hold_obstacle(self._state))

    @workflow.update(name="release")
    def release_update(self, body: Any = None) -> OperatorAnswer:
        """Go on after ``hold``."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._release(message)
        return OperatorAnswer(done=True, text="The order goes on.")

    @release_update.validator
    def _may_release(self, body: Any = None) -> None:
        read_message(body, OperatorMessage)
        refuse("" if self._state.held_by else "the order is not on hold")

    def _concerns(self, message: OperatorMessage) -> bool:
        """Whether the order still waits for what the message is about: a case may be acted on a moment too late."""
        problem = self._state.problem
        return not message.cause or (problem is not None and case_key(problem.cause) == message.cause)

    def _hear_early_resubmit(self) -> None:
        """Go on where the cause of this very problem was said to be mended just before the order had it."""
        early, self._early_resubmit = self._early_resubmit, None
        if early is not None and workflow.now() - early[1] <= CLOCK_MARGIN and self._concerns(early[0]):
            self._resubmit(early[0])

    def _go_on(self, problem: Problem) -> None:
        self._state.problem = None
        if self._state.unit_cancel is not None:
            self._state.unit_cancel = self._state.unit_cancel.at(CancelStage.WANTED)
        self._state.reread, self._state.compare = True, self._state.erp is not None
        # Of an exchange that the ERP's people canceled nobody was told for sure while the order stood still.
        self._state.ask_erp = self._state.ask_erp or bool(self._state.exchanges)
        self._state.leaves_cases = self._state.leaves_cases or problem.own
        self._state.take_new_mapping = self._state.take_new_mapping or cured_by_mapping(problem.cause)
        # A cancel that had stopped is taken up again by a resubmit of that, and by nothing later.
        self._state.cancel_interrupted = None

    def _accept(self, message: OperatorMessage) -> None:
        problem = self._state.problem
        assert problem is not None
        taken = Acceptance(actor=message.actor, reason=message.reason, differences=problem.differences)
        self._state.acceptances = (*self._state.acceptances, taken)
        if family(problem.cause) == EDIT_REFUSED:
            self._state.amend, self._state.edited = False, None
        if family(problem.cause) == CANCEL_PICKED:
            self._state.unit_cancel = None
        self._go_on(problem)
        currency = self._state.order.currency if self._state.order else ""
        self._tell(message.actor, narrative.accepted(message, problem, currency))

    def _resubmit(self, message: OperatorMessage) -> None:
        problem, expiring = self._state.problem, self._state.expires_next
        interrupted = self._state.cancel_interrupted
        if problem is not None:
            if family(problem.cause) == AUTHORIZATION_EXPIRES and expiring is not None:
                self._state.expiry_heeded = expiring.expires_at
            self._go_on(problem)
        self._state.cancel = self._state.cancel or interrupted
        self._tell(message.actor, f"Asked to go on{narrative.because(message)}; the order is read again.")

    def _hold(self, message: OperatorMessage) -> None:
        self._state.held_by = message.actor
        self._tell(message.actor, f"Put the order on hold: {message.reason or 'no reason given'}.")

    def _release(self, message: OperatorMessage) -> None:
        # What was cleared up meanwhile (an address, say) is told by no webhook.
        self._state.held_by, self._state.reread = None, True
        self._tell(message.actor, f"Released the order{narrative.because(message)}.")

    def waits_on(self) -> str | None:
        """The outside system whose answer the order waits for; for a worker, which knows how that system is."""
        return narrative.waits_on(self._state)

    # -- queries ---------------------------------------------------------------------------------------------------

    @workflow.query
    def status(self) -> OrderView:
        """Where the order stands, in plain words."""
        return narrative.view(self._state)


def _records(erp: ErpOrder) -> tuple[str, ...]:
    """The ERP's own ids of what it has of an order."""
    return (erp.erp_id, *sorted(each.erp_id for each in erp.exchanges))
