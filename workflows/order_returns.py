"""What an order does about goods that come back: it begins returns, passes on their news, and stays open for them.

Each return is carried by a workflow of its own (``workflows.customer_return``), which tells its order what happens.
"""

from hashlib import sha256
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from domain.cases import case_key
    from domain.erp_order import ErpOrder
    from domain.exchanges import exchange_units, is_released
    from domain.order import Order, ReturnStatus
    from domain.quantities import take_returns
    from domain.returns import LIVE, unsettled
    from workflows import narrative, order_return_story
    from workflows.customer_return import ReturnWorkflow
    from workflows.desk import read_message
    from workflows.messages import (
        ORDERS_QUEUE,
        RETURN_ASKED,
        Attention,
        OperatorAnswer,
        OperatorMessage,
        ReturnAsked,
        ReturnBrief,
        ReturnOrigin,
        ReturnTelling,
        ReturnWish,
    )
    from workflows.order_alarms import Alarm
    from workflows.order_payments import OrderPayments
    from workflows.order_state import OrderState
    from workflows.return_messages import (
        ERP_RETURN_CHANGED,
        RETURN_NEWS,
        STOREFRONT_RETURN_CHANGED,
        ReturnNews,
        ReturnStart,
        return_workflow_id,
    )
    from workflows.search import CHANNEL, ORDER_NUMBER, ORDER_STATE


class OrderReturns(OrderPayments):
    """Base of ``OrderWorkflow``, beside what it does about payments."""

    # -- news ------------------------------------------------------------------------------------------------------

    def _notice_returns(self, order: Order) -> None:
        """Begin what the storefront has new; pass on what changed there."""
        state = self._state
        for each in order.returns:
            known = state.returns.get(each.return_id)
            wished = {wish.return_id for wish in state.return_wishes}
            if known is None and each.status in LIVE and each.return_id not in wished:
                lines: dict[str, int] = {}
                for line in each.lines:
                    lines[line.line_id] = lines.get(line.line_id, 0) + line.quantity
                wish = ReturnWish(
                    return_id=each.return_id,
                    number=each.number,
                    origin=ReturnOrigin.BUYER,
                    lines=lines,
                    actor="storefront",
                    reason="; ".join(dict.fromkeys(line.reason for line in each.lines if line.reason)),
                    requested=each.status is ReturnStatus.REQUESTED,
                    exchange=exchange_units(each),
                    released=is_released(each),
                )
                state.return_wishes = (*state.return_wishes, wish)
            elif known is not None and not known.ended and known.status not in {None, each.status}:
                self._keep_brief(each.return_id, status=each.status)
                self._tell_later(ReturnTelling(return_id=each.return_id, status=each.status))
            elif known is not None and known.status is None:
                self._keep_brief(each.return_id, status=each.status)

    def _take_erp(self, erp: ErpOrder) -> None:
        super()._take_erp(erp)
        if self._state.erp is not erp:
            return  # it was older than what is known
        live = unsettled(erp)
        for each in erp.returns:
            known = self._state.returns.get(each.return_id)
            if known is None and each in live:
                self._wish_for_unannounced(each.return_id, each.number, erp)
            elif known is not None and not known.ended and each.received and known.erp != each:
                self._keep_brief(each.return_id, erp=each)
                self._tell_later(ReturnTelling(return_id=each.return_id, erp=each))

    def _wish_for_unannounced(self, return_id: str, number: str, erp: ErpOrder) -> None:
        """The warehouse took goods in, or expects some, that nobody has told us of."""
        if return_id in {wish.return_id for wish in self._state.return_wishes}:
            return
        held = next(each for each in erp.returns if each.return_id == return_id)
        lines: dict[str, int] = {}
        for line in held.expected or held.received:
            lines[line.line_id] = lines.get(line.line_id, 0) + line.quantity
        wish = ReturnWish(
            return_id=return_id,
            number=number,
            origin=ReturnOrigin.WAREHOUSE,
            lines=lines,
            actor="ERP",
            reason="the warehouse has entered it",
        )
        self._state.return_wishes = (*self._state.return_wishes, wish)

    def _keep_brief(self, return_id: str, **changes: object) -> None:
        briefs = dict(self._state.returns)
        briefs[return_id] = briefs[return_id].model_copy(update=changes)
        self._state.returns = briefs

    def _tell_later(self, telling: ReturnTelling) -> None:
        self._state.return_tellings = (*self._state.return_tellings, telling)

    def _comes_back(self) -> bool:
        """Whether the order is to go on though it had ended: somebody wants a return, or the warehouse has goods."""
        early = self._state.erp_early
        return bool(self._state.return_asks) or (early is not None and bool(unsettled(early)))

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _open_return(self) -> None:
        state = self._state
        if state.return_asks:
            asked, *later = state.return_asks
            state.return_asks = tuple(later)
            await self._look_at(asked)
            return
        wish, *others = state.return_wishes
        state.return_wishes = tuple(others)
        assert state.order is not None
        held = None if state.erp is None else state.erp.returns
        brief = ReturnBrief(
            number=wish.number,
            lines=wish.lines,
            exchange=wish.exchange,
            erp=next((each for each in held or () if each.return_id == wish.return_id), None),
            status=next((r.status for r in state.order.returns if r.return_id == wish.return_id), None),
        )
        state.returns = {**state.returns, wish.return_id: brief}
        try:
            await workflow.start_child_workflow(
                ReturnWorkflow.run,
                ReturnStart(
                    key=state.key,
                    wish=wish,
                    rules=state.return_rules,
                    mapping_version=state.mapping_version,
                    order_number=state.order.number,
                    names={line.line_id: line.sku or line.title for line in state.lines},
                ),
                id=return_workflow_id(state.key, wish.return_id),
                task_queue=ORDERS_QUEUE,
                # It goes on when this run ends: it tells the order by a signal, whichever run carries it then.
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(CHANNEL, state.key.channel),
                        SearchAttributePair(ORDER_NUMBER, state.order.number),
                        SearchAttributePair(ORDER_STATE, Attention.WORKING.value),
                    ]
                ),
                static_summary=f"Return {wish.number} of order {state.order.number}",
            )
        except WorkflowAlreadyStartedError:
            # An earlier run of the order began it; it is carried already.
            self._tell("Orderwright", f"Return {wish.number} goes on.")
            return
        self._tell(wish.actor, order_return_story.opened(state, wish))

    def _before_other_asks(self) -> OrderState:
        """The order as the one who is looked at finds it: those who asked later come after it."""
        return self._state.model_copy(update={"return_asks": ()})

    async def _look_at(self, asked: ReturnAsked) -> None:
        """Begin what an operator asked for while the order could not tell yet whether it is possible."""
        state = self._state
        alone = self._before_other_asks()
        obstacle = order_return_story.obstacle(alone, asked)
        if obstacle:
            self._tell(asked.actor, f"Asked for a return; refused: {obstacle}.")
            return
        assert state.order is not None
        return_id = _return_id(asked)
        known = {*state.returns, *(each.return_id for each in state.return_wishes)}
        known |= {each.return_id for each in state.erp.returns} if state.erp is not None else set()
        if return_id in known:
            # Sent again after the order had ended: this life has not seen the message, but there is what it began.
            self._tell(asked.actor, "Asked again for a return that there is already.")
            return
        number = f"{state.order.number}-RO{len(known) + 1}"
        wish = ReturnWish(
            return_id=return_id,
            number=number,
            origin=ReturnOrigin.OPERATOR,
            lines=order_return_story.lines_named(alone, asked.lines),
            actor=asked.actor,
            reason=asked.reason,
            without_goods=asked.without_goods,
        )
        state.return_wishes = (*state.return_wishes, wish)

    async def _tell_return(self) -> None:
        state = self._state
        telling, *later = state.return_tellings
        state.return_tellings = tuple(later)
        carrier = workflow.get_external_workflow_handle(return_workflow_id(state.key, telling.return_id))
        try:
            if telling.erp is not None:
                await carrier.signal(ERP_RETURN_CHANGED, telling.erp)
            elif telling.status is not None:
                await carrier.signal(STOREFRONT_RETURN_CHANGED, telling.status)
            elif telling.resubmit is not None:
                await carrier.signal("resubmit", telling.resubmit)
        except ApplicationError:
            if state.returns[telling.return_id].ended:
                return  # and has told so, while this was on its way
            number = state.returns[telling.return_id].number
            self._tell(
                "Orderwright", f"Return {number} is carried by nobody any more; it was ended in Temporal."
            )
            self._keep_brief(telling.return_id, ended=True, text="ended in Temporal by hand", problem=None)

    # -- the return window -----------------------------------------------------------------------------------------

    def _alarms(self) -> tuple[Alarm, ...]:
        state = self._state
        if state.window_until is None or state.window_over:
            return super()._alarms()
        ends = Alarm(state.window_until, "Until the return window is over", True, self._end_window)
        return (*super()._alarms(), ends)

    def _end_window(self) -> None:
        self._state.window_over = True

    # -- messages --------------------------------------------------------------------------------------------------

    @workflow.signal(name=RETURN_NEWS)
    def return_news(self, news: ReturnNews) -> None:
        """A return waits for a person, goes on, or has ended."""
        state = self._state
        if news.return_id not in state.returns:
            return
        self._keep_brief(
            news.return_id,
            problem=news.problem,
            ended=news.ended,
            text=news.text,
            given_back=news.given_back,
            fee=news.fee,
        )
        # What the buyer gets in exchange is on the storefront's order, or is paid for now.
        state.reread = state.reread or news.order_changed
        # The order is proven with its return as soon as that has ended.
        state.unproven = state.unproven or news.ended
        if news.back:
            state.lines = take_returns(state.lines, self._units_back(news))
        if news.text:
            self._tell("Orderwright", news.text)
        self._show()

    def _units_back(self, news: ReturnNews) -> dict[str, int]:
        """Line -> units that came back in all."""
        before = {line.line_id: line.returned for line in self._state.lines}
        return {line: before.get(line, 0) + units for line, units in news.back.items()}

    @workflow.signal(name=RETURN_ASKED)
    def return_signal(self, body: Any = None) -> None:
        """Begin a return for an operator, also of an order that has ended and comes back for it."""
        asked = self._heard("return", body, ReturnAsked)
        if asked is not None and not self._seen(asked.message_id):
            self._note_ask(asked)

    @workflow.update(name=RETURN_ASKED)
    def return_update(self, body: Any = None) -> OperatorAnswer:
        """Begin a return: the warehouse is told to expect goods, or, without goods, the money goes back at once."""
        asked = read_message(body, ReturnAsked)
        if not self._seen(asked.message_id):
            self._note_ask(asked)
        if first := order_return_story.begins_after(self._state):
            return OperatorAnswer(
                done=True, text=f"Noted; the return begins {first}, if it is possible then."
            )
        return OperatorAnswer(done=True, text="The return begins; it has a page of its own.")

    def _note_ask(self, asked: ReturnAsked) -> None:
        self._state.return_asks = (*self._state.return_asks, asked)
        if self._state.order is not None and (first := order_return_story.begins_after(self._state)):
            what = order_return_story.asked_for(self._state, asked)
            self._tell(
                asked.actor, f"Asked for a return of {what}{narrative.because(asked)}; it begins {first}."
            )

    @return_update.validator
    def _may_return(self, body: Any = None) -> None:
        asked = read_message(body, ReturnAsked)
        if asked.message_id and asked.message_id in self._state.seen_messages:
            return  # sent twice: what it asked for is under way, and in its own way
        obstacle = order_return_story.obstacle(self._state, asked)
        if obstacle:
            raise ApplicationError(obstacle, type="NotPossibleNow")

    def _resubmit_returns(self, message: OperatorMessage) -> bool:
        """Pass a resubmit on to the returns that wait for it; whether there was any."""
        found = False
        for return_id, brief in self._state.returns.items():
            problem = brief.problem
            if problem is None or message.cause not in {"", case_key(problem.cause)}:
                continue
            found = True
            self._tell_later(ReturnTelling(return_id=return_id, resubmit=message))
            self._keep_brief(return_id, problem=None)
        return found


def _return_id(asked: ReturnAsked) -> str:
    """An id of our own, the same for a message that is sent again, whichever life of the order hears it."""
    if asked.message_id and workflow.patched("a-return-is-named-by-its-message"):
        return f"o{sha256(asked.message_id.encode()).hexdigest()[:12]}"
    return f"o{workflow.uuid4().hex[:12]}"
