"""``orderwright return`` and ``order return`` against a real Temporal server, a real worker, both systems in memory."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from adapters.memory.world import erp_at, storefront_at
from config.mappings import MAPPINGS
from domain.order import OrderKey, PaymentKind, ReturnStatus
from tests.deployment import Deployment
from tests.order_builder import make_line, make_order
from workflows.messages import STOREFRONT_CHANGED, StorefrontChanged

_ids = count(9001)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Its mapping asks a person about everything."""
    folder = tmp_path_factory.mktemp("returns")
    rules = (MAPPINGS / "shopify-tryton.toml").read_text()
    for rule, other in (
        ("window_days = 0", "window_days = 30"),
        ('approval = "automatic"', 'approval = "ask"'),
        ('inspection = "restock"', 'inspection = "ask"'),
    ):
        assert rule in rules
        rules = rules.replace(rule, other)
    mapping = folder / "returns.toml"
    mapping.write_text(rules)
    with Deployment(folder, mapping=str(mapping)) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Its mapping knows no return window: orders close at once."""
    with Deployment(tmp_path_factory.mktemp("strict")) as deployment:
        yield deployment


def delivered(deployment: Deployment, attention: str = "delivered") -> OrderKey:
    """An order that has left whole and is proven balanced."""
    number = next(_ids)
    key = OrderKey(channel="shop", external_id=str(number))
    lines = [make_line("11", "TEE-BLK-M", 3), make_line("12", "MUG-LOGO", 1)]
    deployment.place(make_order(key=key, number=f"#{number}", lines=lines, placed_at=datetime.now(UTC)))
    deployment.until(key, "submitted")

    async def ship() -> None:
        erp_at(deployment.world).ship_all(key)

    deployment.inside(ship)
    until(lambda: deployment.ask("order", "show", str(key))["view"]["attention"] == attention)
    return key


def until(what: Callable[[], Any]) -> Any:
    for _ in range(150):
        if found := what():
            return found
        threading.Event().wait(0.1)
    raise AssertionError(what())


def asked_for(deployment: Deployment, key: OrderKey, units: dict[str, int]) -> str:
    """The buyer asks for a return in the storefront; its name."""
    asked = storefront_at(deployment.world, "shop").request_return(key.external_id, units, "too small")

    async def tell() -> None:
        handle = deployment.client.get_workflow_handle(key.workflow_id)
        changed = StorefrontChanged(message_id=f"{key}-return", topic="returns/request")
        await handle.signal(STOREFRONT_CHANGED, changed)

    deployment.inside(tell)
    name = f"{key}:{asked.returns[-1].return_id}"
    until(lambda: deployment.call("return", "show", name, expect=None).exit_code == 0)
    return name


def came_back(deployment: Deployment, name: str, units: dict[str, int]) -> None:
    channel, external_id, return_id = name.split(":")

    async def receive() -> None:
        key = OrderKey(channel=channel, external_id=external_id)
        erp_at(deployment.world).receive_return(key, return_id, units)

    deployment.inside(receive)


def can_do(deployment: Deployment, name: str, act: str) -> dict[str, Any]:
    return until(
        lambda: (told := deployment.ask("return", "show", name))["view"]["can_do"].count(act) and told
    )


def ended(deployment: Deployment, name: str) -> dict[str, Any]:
    return until(lambda: (told := deployment.ask("return", "show", name))["view"]["ended"] and told)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_a_return_is_approved_inspected_and_paid_back_from_the_command_line(deployment):
    key = delivered(deployment)
    name = asked_for(deployment, key, {"11": 3})
    number = can_do(deployment, name, "approve")["view"]["number"]
    assert number == f"#{key.external_id}-R1"
    until(
        lambda: (
            [each["state"] for each in deployment.ask("return", "list", "--open") if each["id"] == name]
            == ["waits for a person"]
        )
    )

    shown = plain(deployment.call("return", "show", number).stdout)
    for words in (
        f"return {name} ({number})",
        "Return of 3 units of TEE-BLK-M, wanted by the buyer (too small).",
        "can be done approve, end, resubmit",
        f"workflows/return:{name}",
        "11 TEE-BLK-M 3 0 -",
    ):
        assert words in shown
    early = deployment.call("return", "inspect", number, "11=restock:3", expect=1)
    assert "Refused: no goods are back yet." in early.stdout
    agreed = deployment.call("return", "approve", number, "--reason", "fine", "--actor", "Ada").stdout
    assert agreed == f"{name}: Agreed; the warehouse is told to expect the goods.\n"
    again = deployment.ask("return", "approve", number, expect=1)
    assert (again["done"], again["text"]) == (
        False,
        f"Refused: return {number} waits for nobody's agreement.",
    )

    until(lambda: "still to come" in deployment.ask("return", "show", name)["view"]["waiting_for"])
    came_back(deployment, name, {"11": 2})
    can_do(deployment, name, "settle")
    told = deployment.call("return", "settle", number.removeprefix("#"), "--actor", "Ada").stdout
    assert "the rest is waited for no more" in told
    can_do(deployment, name, "inspect")
    short = deployment.call("return", "inspect", name, "TEE-BLK-M=restock:1", expect=1).stdout
    assert "TEE-BLK-M: 2 units came back, and 1 unit are judged" in short
    judged = deployment.call(
        "return", "inspect", name, "TEE-BLK-M=restock:1,scrap:1", "--actor", "Ada"
    ).stdout
    assert "1 unit of TEE-BLK-M back in stock; 1 unit of TEE-BLK-M written off" in judged

    told = ended(deployment, name)
    assert [entry["actor"] for entry in told["timeline"]].count("Ada") == 3
    (line,) = told["view"]["lines"]
    assert (line["wanted"], line["received"], line["verdicts"]["restock"]) == (3, 2, 1)
    store = storefront_at(deployment.world, "shop").orders[key.external_id]
    assert [payment.kind for payment in store.payments].count(PaymentKind.REFUND) == 1
    order = plain(deployment.call("order", "show", str(key)).stdout)
    assert f"return {number}, ended: Return {number}: 2 units of TEE-BLK-M;" in order
    assert f"(orderwright return show {name})" in order
    (listed,) = deployment.ask("order", "show", str(key))["returns"]
    assert (listed["id"], listed["running"]) == (name, False)
    assert name in {each["id"] for each in deployment.ask("return", "list")}
    assert name not in {each["id"] for each in deployment.ask("return", "list", "--open")}
    assert "nothing: it has ended" in deployment.call("return", "show", name).stdout
    late = deployment.call("return", "end", name, "--reason", "late", expect=1)
    assert f"no return {name} is under way; see: orderwright return list" in late.stderr


def test_a_return_is_declined_with_a_reason_and_both_systems_say_so(deployment):
    key = delivered(deployment)
    name = asked_for(deployment, key, {"12": 1})
    can_do(deployment, name, "end")
    assert "Missing option" in deployment.call("return", "end", name, expect=2).stderr
    assert (
        "Refused: say why (reason)."
        in deployment.call("return", "end", name, "--reason", "", expect=1).stdout
    )
    told = deployment.call("return", "end", name, "--reason", "worn", "--actor", "Ada").stdout
    assert "ended without goods: worn." in told
    held = storefront_at(deployment.world, "shop").orders[key.external_id].returns[0]
    assert held.status is ReturnStatus.DECLINED
    assert ended(deployment, name)["timeline"][-1]["text"].endswith("worn.")


def test_resubmit_agrees_to_what_waits_for_it(deployment):
    name = asked_for(deployment, delivered(deployment), {"12": 1})
    can_do(deployment, name, "resubmit")
    assert deployment.call("return", "resubmit", name).stdout == f"{name}: The return goes on.\n"
    until(lambda: "still to come" in deployment.ask("return", "show", name)["view"]["waiting_for"])
    refused = deployment.call("return", "resubmit", name, expect=1).stdout
    assert "Refused: the return has no problem that waits for it." in refused


def test_an_operator_begins_a_return_and_refunds_without_goods(deployment):
    key = delivered(deployment)
    refused = deployment.call("order", "return", str(key), "TEE-BLK-M=4", "--reason", "x", expect=1).stdout
    assert "Refused: only 3 units of TEE-BLK-M left the warehouse and are in no return yet." in refused
    unknown = deployment.call("order", "return", str(key), "HAT=1", "--reason", "x", expect=1).stdout
    assert "Refused: HAT is on no line of the order; it has MUG-LOGO, TEE-BLK-M." in unknown

    begun = (
        "order",
        "return",
        f"#{key.external_id}",
        "12=1",
        "--without-goods",
        "--reason",
        "lost",
        "--actor",
        "Ada",
    )
    told = deployment.call(*begun).stdout
    assert f"{key}: The return begins; it has a page of its own. See: orderwright order show {key}" in told
    (listed,) = until(lambda: deployment.ask("order", "show", str(key))["returns"])
    told = ended(deployment, listed["id"])
    assert "Refund of 1 unit of MUG-LOGO without waiting for the goods (lost)." in told["timeline"][0]["text"]
    assert told["timeline"][0]["actor"] == "Ada"
    assert storefront_at(deployment.world, "shop").orders[key.external_id].lines[1].current == 0


def test_an_order_that_has_ended_comes_back_to_life_for_a_return(strict):
    key = delivered(strict, "closed")
    told = strict.call(
        "order", "return", str(key), "MUG-LOGO=1", "--without-goods", "--reason", "lost"
    ).stdout
    assert "The order had ended and comes back to life" in told
    (listed,) = until(lambda: strict.ask("order", "show", str(key))["returns"])
    ended(strict, listed["id"])
    until(lambda: strict.ask("order", "show", str(key))["view"]["attention"] == "closed")
    assert strict.ask("order", "prove", str(key))["balanced"] is True

    # The second time it has forgotten the first return, and Temporal has not.
    strict.call("order", "return", str(key), "TEE-BLK-M=1", "--without-goods", "--reason", "lost too")
    until(lambda: len(strict.ask("order", "show", str(key))["returns"]) == 2)
    told = [each["text"] for each in strict.ask("order", "show", str(key))["timeline"]]
    again = [place for place, text in enumerate(told) if text.startswith("Comes back to life")]
    assert len(again) == 2
    assert any(text.startswith("Entered in the ERP as") for text in told[: again[0]])


def test_an_operator_exchanges_from_the_command_line(deployment):
    key = delivered(deployment)
    storefront_at(deployment.world, "shop").prices["SOCK-RED"] = Decimal("6.35")
    what = (
        "TEE-BLK-M=1",
        "--exchange",
        "SOCK-RED=2",
        "--without-goods",
        "--reason",
        "torn",
        "--actor",
        "Ada",
    )
    assert deployment.ask("order", "return", str(key), *what)["done"] is True
    until(lambda: erp_at(deployment.world).orders[key].exchanges)

    async def ship() -> None:
        erp_at(deployment.world).ship_all(key)

    deployment.inside(ship)
    until(lambda: deployment.ask("order", "show", str(key))["view"]["attention"] == "delivered")
    (listed,) = deployment.ask("order", "show", str(key))["returns"]
    shown = plain(deployment.call("return", "show", listed["id"]).stdout)
    assert "Exchange of 1 unit of TEE-BLK-M for 2 units of SOCK-RED, wanted by an operator (torn)" in shown
    proof = deployment.ask("order", "prove", str(key))
    assert proof["balanced"] is True
    assert "exchange of" in deployment.call("order", "prove", str(key)).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("return", "show", "shop:5001"), 1, "names no return, such as shop:5001:90005"),
        (("return", "show", "shop:5001:1"), 1, "no return shop:5001:1 is under way"),
        (("return", "approve", "#5001-R1"), 1, "no return is called '#5001-R1'"),
        (("return", "approve", "it's"), 1, "orderwright return list"),
        (("return", "end", "shop:5001:1", "--reason", "x"), 1, "no return shop:5001:1 is under way"),
        (("order", "return", "shop:1", "MUG-LOGO=1", "--reason", "x"), 1, "no order shop:1 is under way"),
        (("order", "return", "shop:1", "MUG-LOGO", "--reason", "x"), 1, "not of the form SKU=UNITS"),
        (("order", "return", "shop:1", "MUG-LOGO=0", "--reason", "x"), 1, "not of the form SKU=UNITS"),
        (("order", "return", "shop:1", "A=1", "A=2", "--reason", "x"), 1, "A is named twice"),
        (("order", "return", "shop:1", "A=1", "--reason", " "), 1, "--reason is empty"),
        (
            ("order", "return", "shop:1", "A=1", "--exchange", "B", "--reason", "x"),
            1,
            "not of the form SKU=UNITS",
        ),
        (("order", "return", "shop:1", "A=1"), 2, "Missing option '--reason'"),
    ],
)
def test_mistakes_are_answered_in_plain_words(deployment, arguments, status, words):
    result = deployment.call(*arguments, expect=status)
    assert words in re.sub(r"[\s│]+", " ", result.stderr)
    assert "Traceback" not in result.output
