"""What an order does about what its buyer gets for goods that come back: it opens exchanges and enters them in the ERP.

An exchange is a return, carried by a workflow of its own; what the buyer gets are lines of this order, shipped and paid
for as any other.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ERP_QUEUE, storefront_queue
    from activities.exchanges import ExchangeActivities
    from activities.return_contracts import EnterExchange, OpenExchange
    from domain.cases import family
    from domain.order import Order, StorefrontReturn
    from domain.quantities import take_exchanges
    from workflows import narrative, order_return_story
    from workflows.calls import ONE_CALL, PATIENT, SHIPMENTS_NEXT, refusal_of
    from workflows.messages import ReturnAsked, ReturnOrigin
    from workflows.order_returns import OrderReturns
    from workflows.steps import exchange_to_enter


_OF_THE_WISH = frozenset({"variant_unknown", "not_returnable", "exchange_unsupported"})
"""Causes that are about what was asked for: somebody has to ask for something else."""


class OrderExchanges(OrderReturns):
    """Base of ``OrderWorkflow``, beside the returns of an order."""

    def _notice_exchanges(self, order: Order) -> None:
        """Take in what has come onto the order in exchange: it is open until it has left."""
        state = self._state
        if state.erp is None:
            return
        known = {line.line_id for line in state.lines}
        state.lines = take_exchanges(state.lines, order, state.erp)
        new = [line for line in state.lines if line.line_id not in known]
        if not new:
            return
        state.window_until, state.window_over, state.unproven = None, False, True
        self._tell("storefront", order_return_story.exchanged(new))
        if narrative.awaits_payment(state):
            self._tell("Orderwright", narrative.unpaid(state))

    async def _enter_exchange(self) -> None:
        state, return_id, before = self._state, exchange_to_enter(self._state), self._state.erp
        assert state.order is not None
        assert return_id is not None
        # What the change feed brings meanwhile may tell of lines or shipments that are to be taken in with the answer.
        self._amending = True
        try:
            erp = await workflow.execute_activity_method(
                ExchangeActivities.enter_exchange,
                EnterExchange(
                    order=state.order,
                    return_id=return_id,
                    mapping_version=state.mapping_version,
                    revision=self._next_revision(),
                ),
                task_queue=ERP_QUEUE,
                start_to_close_timeout=ONE_CALL,
                retry_policy=PATIENT,
                summary=f"Enter in the ERP what the buyer of {state.order.number} gets in exchange",
                priority=SHIPMENTS_NEXT,
            )
        finally:
            self._amending = False
        self._take_erp(erp)
        self._take_early(erp, before)
        self._tell("ERP", order_return_story.exchange_entered(erp, return_id))
        # An earlier try, or an earlier life of the order, may have entered what was edited since.
        self._amend_exchanges()

    async def _look_at(self, asked: ReturnAsked) -> None:
        """An exchange that an operator wants is noted in the storefront first: its record says what the buyer gets."""
        state = self._state
        if not asked.exchange or order_return_story.obstacle(self._before_other_asks(), asked):
            await super()._look_at(asked)
            return
        if not asked.message_id:
            asked = asked.model_copy(update={"message_id": workflow.uuid4().hex})
        try:
            made = await self._note_exchange(asked)
        except ActivityError as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            if family(refusal.cause) in _OF_THE_WISH:
                what = order_return_story.asked_for(self._before_other_asks(), asked)
                self._tell(
                    asked.actor,
                    f"Asked to exchange {what}; it was refused, and is not tried again: ask anew once it can be done.",
                )
            else:
                # Once the cause is mended it goes on, under the same key.
                state.return_asks = (asked, *state.return_asks)
            raise
        assert state.order is not None
        self._notice_returns(state.order.model_copy(update={"returns": (*state.order.returns, made)}))
        wanted = {"origin": ReturnOrigin.OPERATOR, "actor": asked.actor, "without_goods": asked.without_goods}
        state.return_wishes = tuple(
            wish.model_copy(update=wanted | {"reason": asked.reason})
            if wish.return_id == made.return_id
            else wish
            for wish in state.return_wishes
        )

    async def _note_exchange(self, asked: ReturnAsked) -> StorefrontReturn:
        state = self._state
        return await workflow.execute_activity_method(
            ExchangeActivities.open_exchange,
            OpenExchange(
                key=state.key,
                revision=self._next_revision(),
                exchange_key=f"exchange:{state.key}:{asked.message_id}",
                lines=order_return_story.lines_named(self._before_other_asks(), asked.lines),
                instead=asked.exchange,
                actor=asked.actor,
                reason=asked.reason,
            ),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Note in the storefront what comes back and what the buyer gets for it",
            priority=SHIPMENTS_NEXT,
        )
