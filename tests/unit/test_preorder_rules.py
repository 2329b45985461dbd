"""When goods that were sold ahead may leave, and what an order does until then."""

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.differences import PlanRefused
from domain.order import Order, PaymentKind
from domain.planning import require_release
from domain.preorders import PreorderCapture, PreorderRules, Release, release_of
from tests.order_builder import PLACED_AT, handed_over, make_line, make_order, make_payment, sandbox_mapping
from workflows.order_state import OrderState
from workflows.steps import Step, next_step

RELEASE = datetime(2026, 12, 24, 8, tzinfo=UTC)
BY_ATTRIBUTE = PreorderRules(attribute="Release date")


def scheduled(order: Order, at: datetime = RELEASE, location: str = "101") -> Order:
    plans = [
        plan.model_copy(update={"not_before": at}) if plan.location == location else plan
        for plan in order.location_plans
    ]
    return order.model_copy(update={"location_plans": tuple(plans)})


def mixed(**overrides) -> Order:
    """A tee at the first location, a mug at the second."""
    lines = (make_line("11"), make_line("12", "MUG-LOGO", 1))
    return make_order(lines=lines, placement={"11": {"101": 2}, "12": {"102": 1}}, **overrides)


def test_what_the_storefront_has_scheduled_waits_for_its_day() -> None:
    release = release_of(scheduled(mixed()), PreorderRules())
    assert release == Release(at=RELEASE, days={"11": RELEASE.date()})
    assert release_of(mixed(), PreorderRules()) is None
    assert release_of(scheduled(mixed()), PreorderRules(schedule=False)) is None


def test_the_last_line_decides_and_the_lead_comes_off() -> None:
    later = RELEASE + timedelta(days=10)
    order = scheduled(scheduled(mixed()), later, "102")
    release = release_of(order, PreorderRules(lead_days=3))
    assert release is not None
    assert release.at == later - timedelta(days=3)
    assert release.days == {"11": RELEASE.date(), "12": later.date()}


def test_a_line_may_name_its_day_itself() -> None:
    line = make_line(attributes={"Release date": " 2027-01-05 "})
    release = release_of(make_order(lines=[line]), BY_ATTRIBUTE)
    assert release == Release(at=datetime(2027, 1, 5, tzinfo=UTC), days={"11": date(2027, 1, 5)})
    assert release_of(make_order(lines=[line]), PreorderRules()) is None


@pytest.mark.parametrize("told", ["soon", "24.12.2026", "2026-13-01"])
def test_a_day_that_nobody_can_read_is_a_case_with_its_remedy(told: str) -> None:
    order = make_order(lines=[make_line(attributes={"Release date": told})])
    mapping = sandbox_mapping(preorders=BY_ATTRIBUTE)
    assert release_of(order, BY_ATTRIBUTE) is None
    with pytest.raises(PlanRefused, match="write it as 2026-12-24 in the store") as caught:
        require_release(order, mapping)
    assert caught.value.cause == "release_unreadable:Release date"
    require_release(make_order(lines=[make_line(attributes={"Release date": ""})]), mapping)
    require_release(order, sandbox_mapping())


@pytest.mark.parametrize(
    "over",
    [
        lambda order: order.model_copy(update={"canceled_at": PLACED_AT}),
        handed_over,
        lambda order: order.model_copy(
            update={"lines": tuple(x.model_copy(update={"current": 0}) for x in order.lines)}
        ),
    ],
    ids=["canceled", "handed over", "nothing left"],
)
def test_nothing_is_waited_for_where_nothing_is_to_leave(over) -> None:
    assert release_of(over(scheduled(mixed())), PreorderRules()) is None


def test_money_is_taken_at_once_only_where_the_rule_says_so_and_some_is_promised() -> None:
    at_order = PreorderRules(capture=PreorderCapture.AT_ORDER)
    order = scheduled(mixed())
    paid = order.model_copy(update={"payments": (make_payment(order.total, PaymentKind.SALE),)})
    releases = [
        release_of(each, rules)
        for each, rules in ((order, at_order), (paid, at_order), (order, PreorderRules()))
    ]
    assert [release is not None and release.capture_now for release in releases] == [True, False, False]


def test_it_waits_before_the_erp_after_payment_and_approval() -> None:
    order = scheduled(mixed())
    release = release_of(order, PreorderRules())
    state = OrderState(key=order.key, order=order, reread=False, release=release)
    assert next_step(state) is Step.WAIT
    assert next_step(state.model_copy(update={"capture_all": True})) is Step.CAPTURE
    assert next_step(state.model_copy(update={"release": None})) is Step.SUBMIT
    assert next_step(state.model_copy(update={"reread": True})) is Step.READ
