"""Reviewed rules over a mapping file: the whole is checked anew, and the later decision holds."""

from datetime import UTC, datetime

import pytest

from domain.mapping_rules import MappingRule, RuleRefused, Target, entry, merge, standing, targets, with_rule
from tests.order_builder import sandbox_mapping

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def rule(table: str, key: str, value: str, replaced: str | None = None, **more: int) -> MappingRule:
    return MappingRule(
        mapping="shopify-tryton",
        table=table,
        key=key,
        value=value,
        replaced=replaced,
        actor="Ada",
        reason="checked",
        at=NOON,
        **more,
    )


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("skus", "ABC-1", "TEE-BLK-M"),
        ("locations", "103", "WH-SOUTH"),
        ("taxes", "State Tax 0.07", "STATE-7"),
        ("taxes", "VAT 0.20", "VAT-20-NEW"),
        ("payment_methods", "paypal", "PayPal"),
        ("shipping_services", "overnight", "DHL"),
        ("carriers", "GLS", "GLS Parcel"),
        ("companies", "302", "C-OTHER"),
        ("adjustment_product", "", "ADJUST"),
        ("shipping_product", "", "DELIVERY"),
    ],
)
def test_a_rule_sets_one_entry_and_makes_a_new_version(table: str, key: str, value: str) -> None:
    file = sandbox_mapping()
    ruled = with_rule(file, rule(table, key, value))
    assert entry(ruled, table, key) == value
    assert ruled.version != file.version
    unruled = {name: v for name, v in ruled.model_dump().items() if name != table}
    assert unruled == {name: v for name, v in file.model_dump().items() if name != table}


def test_a_company_keeps_its_price_list() -> None:
    ruled = with_rule(sandbox_mapping(), rule("companies", "301", "C-OTHER"))
    assert (ruled.companies["301"].party, ruled.companies["301"].price_list) == ("C-OTHER", "B2B 10% off")


@pytest.mark.parametrize(
    ("table", "key", "value", "words"),
    [
        ("locations", "103", "WH-EAST", "'WH-EAST'.*two locations"),
        ("skus", "ABC", "  ", "empty"),
        ("taxes", "nonsense", "X", "cannot become 'X'"),
        ("taxes", "Tax 7", "X", "cannot become 'X'"),
        ("colours", "red", "X", r"\[colours\] red cannot be set by a rule"),
    ],
)
def test_a_rule_that_the_mapping_does_not_take_names_entry_and_value(
    table: str, key: str, value: str, words: str
) -> None:
    with pytest.raises(RuleRefused, match=words):
        with_rule(sandbox_mapping(), rule(table, key, value))


def test_of_two_rules_for_one_entry_the_later_holds() -> None:
    merged = merge(
        sandbox_mapping(), [rule("skus", "A", "X"), rule("skus", "B", "Z"), rule("skus", "A", "Y")]
    )
    assert merged.mapping.skus == {"A": "Y", "B": "Z"}
    assert (merged.overruling, merged.set_aside) == ((), ())


def test_a_rule_that_was_withdrawn_leaves_the_word_to_the_file_until_there_is_another() -> None:
    file = sandbox_mapping(skus={"A": "OLD"})
    rules = [rule("skus", "A", "X"), rule("skus", "A", "NEW", replaced="OLD"), rule("skus", "A", "")]
    merged = merge(file, rules)
    assert (merged.mapping, merged.overruling, merged.set_aside) == (file, (), ())
    assert standing(rules) == ()
    again = rule("skus", "A", "NEW", replaced="OLD")
    assert standing([*rules, again]) == (again,)
    assert merge(file, [*rules, again]).mapping.skus == {"A": "NEW"}


def test_a_rule_holds_over_what_the_file_said_before_it_and_says_so() -> None:
    merged = merge(sandbox_mapping(skus={"A": "OLD"}), [rule("skus", "A", "NEW", replaced="OLD", case_id=7)])
    assert merged.mapping.skus == {"A": "NEW"}
    assert merged.overruling == (
        "[skus] A: Ada's rule of 2026-03-02, case 7 says 'NEW' and holds over the file's older 'OLD'",
    )


def test_a_file_that_was_changed_after_the_rule_holds_over_it_and_says_so() -> None:
    for replaced in (None, "OLD"):
        merged = merge(sandbox_mapping(skus={"A": "LATER"}), [rule("skus", "A", "NEW", replaced=replaced)])
        assert merged.mapping.skus == {"A": "LATER"}
        assert merged.set_aside == (
            "[skus] A: the file says 'LATER' since a later change, so Ada's rule of 2026-03-02 ('NEW') is over",
        )


def test_a_file_that_took_the_rule_over_needs_no_words() -> None:
    merged = merge(sandbox_mapping(skus={"A": "NEW"}), [rule("skus", "A", "NEW")])
    assert merged.mapping == sandbox_mapping(skus={"A": "NEW"})
    assert (merged.overruling, merged.set_aside) == ((), ())


def test_a_rule_that_fits_no_more_holds_up_no_other() -> None:
    file = sandbox_mapping(locations={"101": "WH-EAST", "104": "WH-SOUTH"})
    merged = merge(file, [rule("locations", "103", "WH-SOUTH"), rule("skus", "A", "X")])
    assert merged.mapping.locations == file.locations
    assert merged.mapping.skus == {"A": "X"}
    assert "does not fit the file any more" in merged.set_aside[0]


@pytest.mark.parametrize(
    ("cause", "wanted"),
    [
        ("unmapped:skus:ABC:1", [("skus", "ABC:1")]),
        ("unmapped:taxes:State Tax 0.07", [("taxes", "State Tax 0.07")]),
        ("product_unknown:tryton:ABC-1", [("skus", "ABC-1")]),
        ("product_unknown:tryton:CODE", [("skus", "S1"), ("skus", "S2"), ("skus", "CODE")]),
        ("product_unknown:tryton:SHIPPING", [("shipping_product", "")]),
        ("warehouse_unknown:tryton:WH-EAST", [("locations", "101")]),
        ("carrier_unknown:tryton:UPS", [("shipping_services", "standard")]),
        ("tax_unknown:tryton:VAT-20", [("taxes", "VAT 0.20")]),
        ("party_unknown:tryton:C-WHOLESALE", [("companies", "301")]),
        ("adjustment_product_missing", [("adjustment_product", "")]),
        ("warehouse_unknown:tryton:NOWHERE", []),
        ("out_of_stock", []),
        ("period_closed:tryton:2026-01", []),
    ],
)
def test_the_entries_that_cure_a_cause(cause: str, wanted: list[tuple[str, str]]) -> None:
    mapping = sandbox_mapping(skus={"S1": "CODE", "S2": "CODE", "S3": "OTHER"})
    assert [(target.table, target.key) for target in targets(cause, mapping)] == wanted


def test_a_warehouse_without_location_is_mapped_backwards() -> None:
    found = targets("unmapped:warehouses:WH-NORTH", sandbox_mapping())
    assert found == (Target(table="locations", key="WH-NORTH", backwards=True),)


def test_a_sku_that_does_not_pass_is_not_offered() -> None:
    mapping = sandbox_mapping(sku_passthrough=False, skus={"S1": "CODE"})
    assert targets("product_unknown:tryton:CODE", mapping) == (Target(table="skus", key="S1"),)
    assert targets("product_unknown:tryton:ABC", mapping) == ()


def test_a_cause_that_was_cut_is_not_mapped_by_halves() -> None:
    assert targets(f"unmapped:skus:{'x' * 300}", sandbox_mapping()) == ()
