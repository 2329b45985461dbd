"""``orderwright case`` against a real Temporal server, a real worker, and both systems in memory."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from adapters.memory.world import erp_at
from domain.order import OrderKey
from tests.deployment import Deployment
from tests.order_builder import make_line, make_order

_ids = count(8001)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("cases")) as deployment:
        yield deployment


def place(deployment: Deployment, sku: str) -> OrderKey:
    number = next(_ids)
    key = OrderKey(channel="shop", external_id=str(number))
    lines = (make_line("1", sku, 1),)
    return deployment.place(
        make_order(key=key, number=f"#{number}", lines=lines, placed_at=datetime.now(UTC))
    )


def until(what: Callable[[], Any]) -> Any:
    for _ in range(150):
        if found := what():
            return found
        threading.Event().wait(0.1)
    raise AssertionError(what())


def case_of(deployment: Deployment, cause: str, waiting: int) -> dict[str, Any]:
    return until(
        lambda: next(
            (
                case
                for case in deployment.ask("case", "list", "--all")
                if case["cause"] == cause and case["waiting"] == waiting
            ),
            None,
        )
    )


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_a_case_is_listed_shown_assigned_and_solved_by_mapping_for_all_its_orders(deployment):
    erp = erp_at(deployment.world)
    erp.forbid_product("ABC-1")
    keys = [place(deployment, "ABC-1") for _ in range(3)]
    case = str(case_of(deployment, "product_unknown:erp:ABC-1", 3)["id"])

    listed = plain(deployment.call("case", "list").stdout)
    assert f"{case} The ERP has no product ABC-1 3 USD 32.34" in listed
    shown = plain(deployment.call("case", "show", case).stdout)
    for words in (
        "cause product_unknown:erp:ABC-1",
        "3 wait, 0 went on",
        "at risk USD 32.34",
        "looks after it nobody",
        "can be done --retry, --map VALUE, --cancel",
        f"{keys[0]} #{keys[0].external_id} USD 10.78",
        "nothing was tried yet",
    ):
        assert words in shown
    assert deployment.ask("case", "show", case)["acts"] == ["retry", "map", "cancel"]
    order = deployment.call("order", "show", str(keys[0])).stdout
    assert f"{case}: The ERP has no product ABC-1 (orderwright case show {case})" in order
    assert deployment.ask("order", "show", str(keys[0]))["cases"][0]["id"] == int(case)

    assert "Kim looks after it" in deployment.call("case", "assign", case, "Kim", "--actor", "Ada").stdout
    solved = deployment.call(
        "case", "resolve", case, "--map", "MUG-LOGO", "--reason", "renamed", "--actor", "Ada"
    ).stdout
    assert "mapping: [skus] ABC-1 = MUG-LOGO" in solved
    assert "resubmit sent to 3 orders" in solved
    for key in keys:
        deployment.until(key, "submitted")
    assert case_of(deployment, "product_unknown:erp:ABC-1", 0)["state"] == "resolved"
    shown = plain(deployment.call("case", "show", case).stdout)
    assert "by Ada: all its orders went on after map: renamed" in shown
    assert "[skus] ABC-1 = MUG-LOGO in shopify-tryton; 3 orders told to go on (renamed)" in shown
    listed = deployment.call("case", "list", "--all").stdout
    assert "minutes of fixing per 1,000 orders" in listed
    assert "last 30 days: 1 case resolved, " in re.sub(r"\s+", " ", listed)
    refused = deployment.call("case", "resolve", case, "--retry", "--reason", "again", expect=1)
    assert f"case {case} is resolved since" in refused.stderr
    rules = {f["subject"]: f for f in deployment.ask("doctor", expect=None)}["mapping rules"]
    assert rules["ok"] is True
    assert "[skus] ABC-1 = MUG-LOGO (Ada's rule of" in rules["detail"]

    assert "[skus] ABC-1 MUG-LOGO Ada" in plain(deployment.call("mapping", "list").stdout)
    withdraw = ("mapping", "withdraw", "[skus] ABC-1", "--reason", "a mistake")
    assert "[skus] ABC-1 = MUG-LOGO is withdrawn from shopify-tryton" in deployment.call(*withdraw).stdout
    assert deployment.ask("mapping", "list") == []
    assert "no rule stands for '[skus] ABC-1'" in deployment.call(*withdraw, expect=1).stderr
    late = place(deployment, "ABC-1")
    again = str(case_of(deployment, "product_unknown:erp:ABC-1", 1)["id"])
    assert again != case
    mapped = deployment.call(
        "case", "resolve", again, "--map", "MUG-LOGO", "--reason", "it is right after all"
    )
    assert "mapping: [skus] ABC-1 = MUG-LOGO" in mapped.stdout
    deployment.until(late, "submitted")


def test_what_makes_no_sense_is_refused_with_what_does(deployment):
    erp = erp_at(deployment.world)
    erp.close_period()
    try:
        key = place(deployment, "MUG-LOGO")
        (case,) = until(lambda: [c for c in deployment.ask("case", "list") if "period" in c["cause"]])
        number = str(case["id"])

        def refused(*how: str) -> str:
            return deployment.call("case", "resolve", number, *how, expect=1).stderr

        assert "exactly one of" in refused("--reason", "x")
        assert "exactly one of" in refused("--retry", "--cancel", "--reason", "x")
        assert "--reason is empty" in refused("--retry", "--reason", " ")
        assert "cannot be solved by map; possible: retry, cancel" in refused("--map", "A", "--reason", "x")
        assert "cannot be solved by accept" in refused("--accept", "--reason", "x")
        assert "there is no case 999" in deployment.call("case", "show", "999", expect=1).stderr
        assert "there is no open case 999" in deployment.call("case", "assign", "999", "K", expect=1).stderr
        assert deployment.call("case", "resolve", number, "--retry", expect=2).output
    finally:
        erp.open_period()
    done = deployment.ask("case", "resolve", number, "--cancel", "--reason", "too late")
    assert [told["external_id"] for told in done["told"]] == [key.external_id]
    deployment.until(key, "canceled")
    assert (
        case_of(deployment, case["cause"], 0)["resolution"] == "all its orders went on after cancel: too late"
    )


def test_a_value_that_the_mapping_does_not_take_is_named_and_nothing_is_changed(deployment):
    number = next(_ids)
    key = OrderKey(channel="shop", external_id=str(number))
    deployment.place(make_order(key=key, number=f"#{number}", placement={"11": {"109": 2}}))
    case = str(case_of(deployment, "unmapped:locations:109", 1)["id"])
    refused = deployment.call("case", "resolve", case, "--map", "WH-EAST", "--reason", "near", expect=1)
    assert "[locations] 109 cannot become 'WH-EAST'" in plain(refused.stderr)
    assert "two locations" in plain(refused.stderr)
    assert deployment.ask("case", "show", case)["case"]["tried"] == []


def test_a_difference_is_accepted_from_the_command_line(deployment):
    number = next(_ids)
    key = OrderKey(channel="shop", external_id=str(number))
    right = make_order(key=key, number=f"#{number}", lines=(make_line("1", "MUG-LOGO", 1),))
    cent = Decimal("0.01")
    wrong = right.model_copy(update={"total": right.total + cent, "total_tax": right.total_tax + cent})
    deployment.place(wrong)
    case_of(deployment, "amounts_differ:order", 1)
    refused = deployment.call("order", "accept", str(key), "--reason", " ", expect=1)
    assert "Refused: say why (reason)." in refused.stdout
    accepted = deployment.call("order", "accept", str(key), "--reason", "rounding", "--actor", "Ada")
    assert "Accepted as shown" in accepted.stdout
    deployment.until(key, "submitted")
    row = deployment.ask("order", "show", str(key))["row"]
    assert row["erp_total"] == row["total"] == str(wrong.total)
    assert case_of(deployment, "amounts_differ:order", 0)["state"] == "resolved"
