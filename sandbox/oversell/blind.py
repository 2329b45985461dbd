"""A pusher without the rule: what the race is run with to prove that it can be lost."""

from collections.abc import Mapping, Sequence

from sqlmodel import Session

from activities.stock_push import StockPusher
from domain.sellable import Standing
from domain.stock_rules import StockRules
from store.shown import Level
from store.stock_facts import PlaceFacts


class BlindPusher(StockPusher):
    """Believes the ERP's last word alone: nothing is in flight, and every order is known."""

    def facts(
        self, session: Session, levels: Sequence[Level], rules: Mapping[str, StockRules]
    ) -> tuple[PlaceFacts, ...]:
        """See ``StockPusher``."""
        return tuple(_blinded(each) for each in super().facts(session, levels, rules))


def _blinded(facts: PlaceFacts) -> PlaceFacts:
    supplies = facts.supplies
    if supplies is not None:
        supplies = tuple(each.model_copy(update={"in_flight": 0}) for each in supplies)
    others = tuple(_unburdened(each) for each in facts.others)
    return facts.model_copy(update={"supplies": supplies, "mine": _unburdened(facts.mine), "others": others})


def _unburdened(standing: Standing) -> Standing:
    return standing.model_copy(update={"committed": 0, "known": 0, "sold_since": 0})
