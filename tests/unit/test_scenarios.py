"""The scenario catalogue as data: what its files must be, what is said of a wrong one, and when a row is balanced."""

import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from orderwright.scenario_commands import share_of
from orderwright.terminal import CommandFailed
from sandbox.audit import ErpSide, StoreSide, compare
from sandbox.scenarios.catalogue import CatalogueBroken, catalogue, file_name, named, read_catalogue, shapes
from sandbox.scenarios.play import shared
from sandbox.scenarios.proof import Row, missing, print_rows
from sandbox.scenarios.vocabulary import End, Holds, Scenario

PLAIN = """
name = "plain"
group = "warehouse"
[order]
lines = [{ sku = "CAP-BLK" }]
[holds]
ends = "closed"
total = "24.49"
captured = "24.49"
shipped = 1
"""


def write(folder: Path, text: str, name: str = "plain") -> Path:
    file = folder / file_name(name)
    file.write_text(text)
    return file


def side(**changes: object) -> StoreSide:
    money = {
        "total": "24.49",
        "captured": "24.49",
        "presentment_total": "24.49",
        "presentment_captured": "24.49",
    }
    values = {
        "external_id": "1", "number": "#1001", "taxes": {}, "units": 1, "fulfilled": 1, "fulfillments": 1,
        "currency": "USD", **money,
    }  # fmt: skip
    return StoreSide.model_validate(values | changes)


def books(**changes: object) -> ErpSide:
    values = {
        "count": 1, "number": "S1", "total": "24.49", "taxes": {}, "shipments": 1, "invoices": 0, "invoiced": None,
        "currency": "USD",
    }  # fmt: skip
    return ErpSide.model_validate(values | changes)


def row(*differences: str) -> Row:
    return Row(
        name="plain", group="shape", ends=End.CLOSED, store=side(), erp=books(), differences=differences
    )


def test_there_are_at_least_sixty_and_each_has_a_name_of_its_own():
    names = [scenario.name for scenario in catalogue()]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_no_two_scenarios_are_the_same_but_for_their_name():
    bodies = [scenario.model_dump_json(exclude={"name", "group"}) for scenario in catalogue()]
    assert len(set(bodies)) == len(bodies)


def test_the_demo_carries_every_shape_and_no_trouble():
    assert len(shapes()) == 24
    assert not any(scenario.alone for scenario in shapes())


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("shipped = 1", "", "holds.shipped: Field required"),
        ('sku = "CAP-BLK"', 'sku = "CAP-BLK", colour = "red"', "order.lines.0.colour: Extra inputs"),
        ('ends = "closed"', 'ends = "canceled"', "set captured and shipped to 0"),
        ('"24.49"\nshipped', "24.49\nshipped", "holds.captured: Value error, money must be a decimal string"),
        ("[holds]", '[[happens]]\nact = "warehouse burns"\n[holds]', "does not match any of the expected tags"),
        ("[holds]", '[[happens]]\nact = "wait"\nuntil = "told"\n[holds]', "give both or neither"),
        ("[order]", "[order", "is not TOML"),
        ('name = "plain"', 'name = "other"', "call the file other.toml"),
        ('"warehouse"', '"shape"\n[[happens]]\nact = "warehouse ships"', "choose another group"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_field_and_remedy(tmp_path, was, now, words):
    with pytest.raises(CatalogueBroken) as caught:
        read_catalogue([write(tmp_path, PLAIN.replace(was, now, 1))])
    assert str(caught.value).startswith("plain.toml")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("sold", "act", "kept", "disturbed"),
    [
        ("CAP-BLK", "ERP hides a product", "CAP-BLK", True),
        ("CAP-BLK", "warehouse counts", "CAP-BLK", True),
        ("CAP-BLK", "warehouse counts", "CAP-GRN", False),
        ("KIT-STARTER", "warehouse counts", "SOCK-GRY", True),
        ("SOCK-GRY", "ERP hides a product", "KIT-STARTER", True),
    ],
)
def test_who_keeps_a_product_to_itself_disturbs_who_sells_it(sold, act, kept, disturbed):
    units = "\nunits = 0" if act == "warehouse counts" else ""
    happens = f'[[happens]]\nact = "{act}"\nsku = "{kept}"{units}\n[holds]'
    keeping = Scenario.model_validate(
        tomllib.loads(PLAIN.replace("[holds]", happens).replace("CAP-BLK", kept, 1))
    )
    selling = Scenario.model_validate(tomllib.loads(PLAIN.replace("CAP-BLK", sold)))
    assert keeping.disturbs(selling) is selling.disturbs(keeping) is disturbed
    assert not selling.disturbs(selling)


def test_what_is_added_or_given_in_exchange_is_sold_too():
    added = named("a line is added after the ERP has the order, and paid")
    assert added.sells > {line.sku for line in added.order.lines}
    exchanged = named("an exchange for something dearer leaves once the difference is paid")
    assert exchanged.sells == {"TEE-BLK-M", "CAP-BLK"}


def test_two_halves_are_all_scenarios_each_once_in_their_order():
    halves = [share_of(catalogue(), share) for share in ("1/2", "2/2")]
    assert sorted(each.name for half in halves for each in half) == sorted(each.name for each in catalogue())
    assert all(half == [each for each in catalogue() if each in half] for half in halves)


@pytest.mark.parametrize("share", ["0/2", "3/2", "1/0", "half", "1", "-1/2", "1/2/3"])
def test_a_share_that_is_none_is_refused_with_the_remedy(share: str):
    with pytest.raises(CommandFailed, match="give one such as 1/2"):
        share_of(catalogue(), share)


def test_houses_share_all_scenarios_and_the_trouble_too():
    shares = shared(catalogue(), 3)
    assert Counter(each.name for share in shares for each in share) == Counter(
        each.name for each in catalogue()
    )
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    trouble = [sum(each.alone for each in share) for share in shares]
    assert max(trouble) - min(trouble) <= 1
    assert shared(catalogue()[:2], 3) == [
        [each] for each in sorted(catalogue()[:2], key=lambda x: len(x.happens))
    ]


def test_an_unknown_name_says_where_the_names_are():
    with pytest.raises(CatalogueBroken, match=r"docs/scenarios\.md"):
        named("a unicorn")


def test_what_comes_first_happens_before_the_first_webhook():
    happens = [
        {"act": "customer edits", "change": {"note": "x"}},
        {"act": "system goes down", "system": "erp"},
        {"act": "wait", "until": "read"},
        {"act": "customer cancels"},
    ]
    holds = {"ends": "canceled", "total": "0", "captured": "0", "shipped": 0}
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "group": "outage",
            "order": {"lines": [{"sku": "CAP-BLK"}]},
            "happens": happens,
            "holds": holds,
        }
    )
    assert [act.act for act in scenario.at_first] == ["customer edits", "system goes down"]
    assert scenario.alone


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("total", "24.50", "total: must be 24.50, is 24.49"),
        ("captured", "24.48", "captured: must be 24.48, is 24.49"),
        ("shipped", 2, "units shipped: must be 2, is 1"),
        ("in_erp", False, "in the ERP: must be False, is True"),
        ("parcels", 3, "parcels: must be 3, is 1"),
        ("story", ("Released",), "its story lacks 'Released'"),
    ],
)
def test_what_must_hold_and_does_not_is_named(field, value, words):
    holds = {"ends": "closed", "total": "24.49", "captured": "24.49", "shipped": 1}
    right = Holds.model_validate(holds)
    assert missing(right, side(), books(), "Kim: Held it.") == []
    assert missing(Holds.model_validate(holds | {field: value}), side(), books(), "Kim: Held it.") == [words]


@pytest.mark.parametrize(
    ("store", "erp", "words"),
    [
        (side(canceled=True, captured="0", presentment_captured="0", fulfillments=0), None, []),
        (
            side(canceled=True, captured="0", presentment_captured="0", fulfillments=0),
            books(canceled=True, shipments=0),
            [],
        ),
        (
            side(canceled=True, captured="0", presentment_captured="0", fulfillments=0),
            books(shipments=0),
            ["canceled in the store alone"],
        ),
        (
            side(canceled=True, fulfillments=0),
            books(canceled=True, shipments=0),
            ["canceled, and 24.49 are kept all the same"],
        ),
        (
            side(canceled=True, captured="0", presentment_captured="0", fulfillments=0),
            books(canceled=True, shipments=1, invoiced=Decimal("24.49")),
            [
                "canceled, and 1 parcels left all the same",
                "canceled, and 24.49 are invoiced all the same",
            ],
        ),
        (side(), books(canceled=True), ["canceled in the ERP alone"]),
    ],
)
def test_a_canceled_order_balances_where_nothing_is_left_of_it(store, erp, words):
    assert list(compare("", store, erp, None).differences) == words


def test_the_last_line_counts_what_is_balanced(capsys):
    print_rows([row(), row("total: must be 1, is 2")], 7)
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1] == "scenarios: 1 of 2 balanced"
    assert any("total: must be 1, is 2" in line for line in lines)


def test_a_tax_may_differ_by_exactly_what_the_erp_booked_by_itself():
    taxed = side(taxes={"VAT-20": "4.01", "CITY-1.5": "0.30"})
    erp_taxes = {"VAT-20": "4.00", "CITY-1.5": "0.30"}
    booked = books(taxes=erp_taxes, adjusted="0.01")
    assert compare("plain", taxed, booked, None).balanced
    for wrong in (
        books(taxes=erp_taxes),
        books(taxes=erp_taxes, adjusted="0.02"),
        books(taxes=erp_taxes | {"CITY-1.5": "0.31"}, adjusted="0.01"),
        books(taxes=erp_taxes | {"CITY-1.5": "0.31"}),
    ):
        assert not compare("plain", taxed, wrong, None).balanced
