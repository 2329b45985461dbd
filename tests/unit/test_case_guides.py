"""Every cause that the code raises has words for people, a remedy, acts that make sense and a deadline."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.case_guides import CaseAct
from domain.cases import LONGEST_CAUSE, case_key, cured_by_mapping, family, guide, known

ROOT = Path(__file__).parents[2]
RAISERS = {"Rejected": 3, "PlanRefused": 0, "_unknown": 0, "Refusal": 0, "refusal": 1}
"""What makes a refusal, and which argument its cause is."""
NO_CASE = {"cursor_unknown"}
"""Only the change feed meets it, and starts anew by itself."""


def causes() -> Iterator[tuple[str, str]]:
    """Where in the code a cause is written, and its family; one that is computed starts with its family too."""
    for folder in ("activities", "adapters", "domain", "workflows"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (isinstance(node, ast.Call) and (found := _cause(node))) or (
                    isinstance(node, ast.Yield)
                    and isinstance(node.value, ast.Tuple)
                    and (found := _text(node.value.elts[0]))
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", family(found)


def _cause(call: ast.Call) -> str | None:
    name = getattr(call.func, "id", "")
    named = [word.value for word in call.keywords if word.arg == "cause"]
    if name in RAISERS and len(call.args) > RAISERS[name]:
        named.append(call.args[RAISERS[name]])
    return next((text for value in named if (text := _text(value))), None)


def _text(node: ast.expr) -> str | None:
    """The words that a text begins with; ``{kind}_unknown`` is every kind that is looked up."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value)
    return None


def test_every_cause_in_the_code_has_its_guide() -> None:
    found = [(where, name) for where, name in causes() if name not in NO_CASE]
    assert len(found) > 40, "the causes were not found"
    assert [f"{where}: {name}" for where, name in found if not known(name)] == []


@pytest.mark.parametrize(
    "kind", ["product", "tax", "warehouse", "carrier", "price_list", "shop", "country", "party"]
)
def test_whatever_the_erp_may_lack_has_its_guide(kind: str) -> None:
    told = guide(f"{kind}_unknown:tryton:X-1")
    assert "X-1" in told.title
    assert "resubmit" in told.fix


@pytest.mark.parametrize(
    ("cause", "title"),
    [
        ("product_unknown:tryton:ABC:1", "The ERP has no product ABC:1"),
        ("unmapped:skus:ABC-1", "The mapping has no entry for ABC-1 in [skus]"),
        ("unmapped:carriers:UPS", "The mapping does not say what buyers see for carrier UPS"),
        (
            "contract_broken:tryton:read sale",
            "tryton, asked to read sale, answers in a form nobody agreed on",
        ),
        ("sku_missing:{0} mug", "{0} mug is sold without a SKU"),
        ("product_unknown", "The ERP has no product ?"),
        ("volcano_erupted:etna", "Volcano erupted"),
        ("", "Unknown cause"),
    ],
)
def test_a_title_names_the_parts_of_the_cause(cause: str, title: str) -> None:
    assert guide(cause).title == title


def test_a_family_nobody_foresaw_can_be_retried_and_canceled() -> None:
    told = guide("volcano_erupted:etna")
    assert told.acts == (CaseAct.RETRY, CaseAct.CANCEL)
    assert told.hours > 0


def test_what_has_left_the_house_is_not_to_be_canceled() -> None:
    for cause in (
        "not_open_to_ship",
        "move_refused",
        "capture_failed",
        "return_warehouse_unknown",
        "return_short",
        "unmapped:carriers:UPS",
        "unbalanced:total",
    ):
        assert CaseAct.CANCEL not in guide(cause).acts


def test_a_difference_can_be_accepted_where_both_amounts_are_known() -> None:
    assert CaseAct.ACCEPT in guide("unbalanced:tax+total").acts
    assert CaseAct.ACCEPT in guide("amounts_differ:order").acts
    assert CaseAct.ACCEPT not in guide("amounts_differ").acts


def test_a_long_cause_is_cut_and_stays_distinct() -> None:
    keys = {case_key(f"unmapped:skus:{'x' * 400}{n}") for n in range(3)}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {LONGEST_CAUSE}
    assert case_key("unmapped:skus:ABC") == "unmapped:skus:ABC"


def test_only_what_a_mapping_may_mend_takes_a_new_mapping() -> None:
    assert cured_by_mapping("unmapped:carriers:UPS")
    assert cured_by_mapping("mapping_version_lost")
    assert not cured_by_mapping("out_of_stock")
