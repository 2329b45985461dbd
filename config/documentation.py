"""Writes the generated parts of ``docs/``: settings, mapping files, metrics and scenarios as tables.

``python -m config.documentation`` writes them anew, ``--check`` only says whether they are current. What stands
outside the two marker lines of a page is written by hand and left alone.
"""

import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from config.mappings import MAPPINGS, load_mapping
from config.metrics import METRICS
from config.ownership import load_ownership
from config.settings import GROUPS, every_variable, variable_of
from domain.backorder_rules import BackorderRules, OnShortage
from domain.mapping import Mapping as FieldMapping
from domain.payment_rules import CaptureRule, ExpiryRule, PaymentRules
from domain.preorders import PreorderCapture, PreorderRules
from domain.return_rules import ApprovalRule, ExchangeRule, InspectionRule, ReturnRules
from domain.stock_rules import StockRules

DOCS = Path(__file__).parents[1] / "docs"
BEGIN = "<!-- generated: begin (make docs) -->"
END = "<!-- generated: end -->"


class PageBroken(Exception):
    """A page lacks its marker lines; the message names it."""


def settings_tables() -> str:
    """One table per group of settings: variable, default, meaning."""
    names = {name for name, _ in every_variable()}
    parts = []
    for path, title, group in GROUPS:
        rows = [
            (
                f"`{variable_of(path, name, field)}`",
                _default(field.default, required=field.is_required()),
                field.description or "",
            )
            for name, field in group.model_fields.items()
            if variable_of(path, name, field) in names
        ]
        parts.append(f"## {title}\n\n" + _table(("Variable", "Default", "Meaning"), rows))
    return "\n\n".join(parts)


def mapping_tables() -> str:
    """Every file of ``config/mappings`` as tables, and who owns which field."""
    parts = [_mapping(path) for path in sorted(MAPPINGS.glob("*.toml"))]
    rows = [
        (entity, field, rule.owner.value, f"`{rule.write}`", f"`{rule.foreign}`")
        for entity, fields in load_ownership().root.items()
        for field, rule in fields.items()
    ]
    heads = ("Entity", "Field", "Owner", "How it is written", "A write by somebody else")
    parts.append("## Who owns which field (`config/ownership.toml`)\n\n" + _table(heads, rows))
    return "\n\n".join(parts)


def metrics_table() -> str:
    """Every metric of ours."""
    rows = [
        (
            f"`{metric.name}`",
            metric.kind.value,
            _UNITS.get(metric.unit, metric.unit.strip("{}")),
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.meaning,
        )
        for metric in METRICS
    ]
    return _table(("Metric", "Kind", "Unit", "Labels", "Meaning"), rows)


def scenario_tables() -> str:
    """Every scenario's name, what happens in it and how it ends, by group."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for path in sorted(SCENARIOS.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        acts = ", ".join(act["act"] for act in content.get("happens", ()))
        row = (
            f"[{content['name']}](../sandbox/scenarios/catalogue/{path.name})",
            acts,
            content["holds"]["ends"],
        )
        groups.setdefault(content["group"], []).append(row)
    count = sum(map(len, groups.values()))
    parts = [f"There are {count} scenarios."]
    for group, title in _GROUPS.items():
        heads = ("Scenario", "What happens", "Ends")
        parts.append(f"## {title}\n\n" + _table(heads, groups.pop(group)))
    if groups:
        raise PageBroken(
            f"no title for the group {', '.join(groups)} of scenarios; add it to config/documentation.py"
        )
    return "\n\n".join(parts)


SCENARIOS = Path(__file__).parents[1] / "sandbox" / "scenarios" / "catalogue"
_GROUPS = {
    "shape": "Orders of every shape",
    "edit": "Edited before the ERP has the order",
    "cancel": "Canceled, or too late for it",
    "warehouse": "The warehouse's ways",
    "return": "Goods that come back",
    "stock": "Not in stock",
    "shelf": "What the store shows of stock",
    "operator": "Operators and problems",
    "road": "Orders that take other roads",
    "message": "Webhooks",
    "outage": "Systems that fail",
    "tax": "Taxes",
}
_UNITS = {"s": "seconds"}
PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_tables,
    "field-mapping.md": mapping_tables,
    "observability.md": metrics_table,
    "scenarios.md": scenario_tables,
}
"""Page of ``docs/`` -> what makes its generated part."""


def render(page: str, docs: Path = DOCS) -> tuple[str, str]:
    """A page as it is and as it should be. Raises PageBroken."""
    text = (docs / page).read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise PageBroken(
            f"docs/{page} lacks the line {BEGIN!r} or {END!r}; put them around the generated part"
        )
    return text, f"{before}{BEGIN}\n\n{PAGES[page]()}\n\n{END}{after}"


def main(arguments: Sequence[str], docs: Path = DOCS) -> int:
    """Write the pages, or with ``--check`` name those that are not current; the exit status says the same."""
    stale = []
    for page in PAGES:
        text, wanted = render(page, docs)
        if text != wanted:
            stale.append(f"docs/{page}")
            if "--check" not in arguments:
                (docs / page).write_text(wanted, encoding="utf-8")
    if "--check" in arguments and stale:
        sys.stderr.write(f"not current: {', '.join(stale)}; run 'make docs'\n")
        return 1
    sys.stdout.write(f"{'wrote ' + ', '.join(stale) if stale else 'the generated docs are current'}\n")
    return 0


def _mapping(path: Path) -> str:
    mapping = load_mapping(path)
    facts = [
        ("SKUs without an entry", "the same in the ERP" if mapping.sku_passthrough else "refused"),
        ("Delivery is charged with the ERP product", f"`{mapping.shipping_product}`"),
        (
            "Accepted differences are booked on",
            f"`{mapping.adjustment_product}`"
            if mapping.adjustment_product
            else "nothing: none can be entered",
        ),
        (
            "A difference in an order's tax is booked without asking",
            f"up to {mapping.tax_tolerance}" if mapping.tax_tolerance else "never",
        ),
        *_payment_rules(mapping.payments),
        *_backorder_rules(mapping.backorders),
        *_preorder_rules(mapping.preorders),
        *_approval_rules(mapping),
        *_return_rules(mapping.returns),
        *_gift_rules(mapping),
        *_stock_rules(mapping.stock),
    ]
    taxes = [(tax.title, f"{(tax.rate * 100).normalize():f} %", f"`{tax.erp_code}`") for tax in mapping.taxes]
    companies = [
        (
            f"`{key}`",
            f"`{company.party}`",
            company.price_list or "the party's own",
            company.payment_terms or "none: paid as the buyer chose",
        )
        for key, company in mapping.companies.items()
    ]
    tables: list[tuple[str, tuple[str, ...], Iterable[Sequence[str]]]] = [
        ("skus", ("Storefront SKU", "ERP product"), _pairs(mapping.skus)),
        ("locations", ("Storefront location id", "ERP warehouse"), _pairs(mapping.locations)),
        ("taxes", ("Storefront tax", "Rate", "ERP tax"), taxes),
        ("payment_methods", ("Payment gateway", "ERP payment method"), _pairs(mapping.payment_methods)),
        ("shipping_services", ("Shipping code", "ERP carrier"), _pairs(mapping.shipping_services)),
        ("carriers", ("ERP carrier", "What the buyer sees"), _pairs(mapping.carriers)),
        ("charges", ("What is charged besides", "ERP product"), _pairs(mapping.charges)),
        (
            "stock.safety_by_sku",
            ("Storefront SKU", "Units that are never shown"),
            _counts(mapping.stock.safety_by_sku),
        ),
        (
            "stock.backorder",
            ("Storefront SKU", "Units that are sold before they are there"),
            _counts(mapping.stock.backorder),
        ),
        ("companies", ("B2B company id", "ERP party", "Price list", "Payment terms"), companies),
        (
            "payments.gateways",
            ("Payment gateway", "Money is taken", "Leaves unpaid"),
            _gateways(mapping.payments),
        ),
    ]
    parts = [
        f"## {mapping.name}\n\nFrom `config/mappings/{path.name}`.\n\n" + _table(("Rule", "Value"), facts)
    ]
    for name, heads, rows in tables:
        listed = list(rows)
        parts.append(f"### {name}\n\n" + (_table(heads, listed) if listed else "No entries."))
    return "\n\n".join(parts)


_CAPTURES = {
    CaptureRule.AT_ORDER: "once the ERP has the order",
    CaptureRule.AT_FIRST_SHIPMENT: "all with the first parcel",
    CaptureRule.EACH_SHIPMENT: "with each parcel what it is worth",
}
_EXPIRIES = {ExpiryRule.CAPTURE: "the money is taken", ExpiryRule.CASE: "a case for a person"}


def _payment_rules(rules: PaymentRules) -> list[tuple[str, str]]:
    early = f"An authorization that expires within {rules.expiry_notice_hours} hours, the goods still here"
    return [
        ("Authorized money is taken", _CAPTURES[rules.capture]),
        ("Orders that are neither paid nor promised", "are carried" if rules.ship_unpaid else "wait"),
        (early, _EXPIRIES[rules.on_expiry]),
    ]


def _gift_rules(mapping: FieldMapping) -> list[tuple[str, str]]:
    rules = mapping.gifts
    marks = " or ".join(f"`{name}`" for name in (rules.message, rules.flag) if name)
    prices = "no prices on the papers" if rules.hide_prices else "prices as ever"
    return [("Gifts are told by the attribute", f"{marks}; {prices}" if marks else "none")]


def _stock_rules(rules: StockRules) -> list[tuple[str, str]]:
    if not rules.push:
        return [("What can be sold is told to the storefront", "no")]
    part = "all of it, as every channel does" if rules.pooled else f"its share of {rules.share}"
    speeds = (
        f"with fewer than {rules.scarce_below} units at a location, or {rules.fast_per_hour} sold within an hour: "
        f"at once; others gathered for {rules.batch_seconds} seconds"
    )
    coming = (
        f"counts if it comes within {rules.incoming_days} days" if rules.incoming_days else "does not count"
    )
    return [
        ("What can be sold is told to the storefront", part),
        ("Units that are never shown", f"{rules.safety} of each SKU and location"),
        (
            "The last units",
            f"{rules.last_units} or fewer are kept for channels of a greater priority than {rules.priority}"
            if rules.last_units
            else "as all others",
        ),
        ("What is on order", coming),
        ("SKUs", speeds),
    ]


_SHORTAGES = {
    OnShortage.SHIP_WHAT_IS_THERE: "what is there leaves, the rest as it comes",
    OnShortage.WAIT_FOR_ALL: "nothing leaves before all is there",
    OnShortage.ASK: "a case for a person; nothing leaves meanwhile, where the ERP can hold it back",
}


def _backorder_rules(rules: BackorderRules) -> list[tuple[str, str]]:
    days = rules.cancel_rest_after_days
    return [
        ("Orders of which something is not in stock", _SHORTAGES[rules.on_shortage]),
        ("What stays out of stock", f"is canceled after {days} days" if days else "is waited for"),
    ]


_AHEAD = {PreorderCapture.AT_ORDER: "at once", PreorderCapture.BY_RULE: "as ever, once the ERP has the order"}


def _preorder_rules(rules: PreorderRules) -> list[tuple[str, str]]:
    told = ["the storefront schedules for later"] if rules.schedule else []
    told += [f"a line's attribute `{rules.attribute}` names a day for"] if rules.attribute else []
    if not told:
        return [("Goods that are sold ahead", "none")]
    lead = (
        f"{rules.lead_days} days before their release" if rules.lead_days else "on the day of their release"
    )
    return [
        ("Goods that are sold ahead", f"those that {' or '.join(told)}; they go to the ERP {lead}"),
        ("Money for them is taken", _AHEAD[rules.capture]),
    ]


def _approval_rules(mapping: FieldMapping) -> list[tuple[str, str]]:
    rules = mapping.approval
    which = [f"of more than {rules.above}"] if rules.above is not None else []
    which += [f"of {rules.risk} risk or more"] if rules.risk else []
    asked = (
        f"orders {' or '.join(which)}; a reminder every {rules.remind_after_days} days" if which else "none"
    )
    return [("Orders that a person has to approve", asked)]


_APPROVALS = {ApprovalRule.AUTOMATIC: "is agreed to", ApprovalRule.ASK: "a case for a person"}
_INSPECTIONS = {
    InspectionRule.RESTOCK: "goes on the shelf and is credited",
    InspectionRule.ASK: "a person says it of each unit",
}


_EXCHANGES = {
    ExchangeRule.AFTER_RECEIPT: "leaves once the goods are back and taken",
    ExchangeRule.AT_ONCE: "leaves as soon as the return is agreed to",
}


def _return_rules(rules: ReturnRules) -> list[tuple[str, str]]:
    days = rules.window_days
    window = f"stays open for returns for {days} days" if days else "closes at once; a return brings it back"
    fee = (
        f"{rules.fee_percent.normalize():f} %, booked on `{rules.fee_product}`"
        if rules.fee_percent
        else "none"
    )
    return [
        ("An order that is delivered and balanced", window),
        ("A return that a buyer asks for", _APPROVALS[rules.approval]),
        ("What came back", _INSPECTIONS[rules.inspection]),
        ("What came back of an exchange", _INSPECTIONS[rules.inspection_of(exchange=True)]),
        ("What the buyer gets in exchange", _EXCHANGES[rules.exchange_ships]),
        ("What a buyer owes for an exchange", f"not asked for up to {rules.exchange_waives}"),
        (
            "Returned goods are taken in by",
            f"`{rules.warehouse}`" if rules.warehouse else "where they left from",
        ),
        (
            "Returned goods that do not come",
            f"named after {rules.reminder_days} days, given up after {rules.expire_days}",
        ),
        ("Delivery, with the last units of an order", "given back" if rules.refund_shipping else "kept"),
        ("Restocking fee", fee),
    ]


def _gateways(rules: PaymentRules) -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", _CAPTURES[rules.capture_of(name)], "yes" if rules.ships_unpaid(name) else "no")
        for name in rules.gateways
    ]


def _pairs(entries: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"`{key}`", f"`{value}`") for key, value in entries.items()]


def _counts(entries: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(f"`{sku}`", str(units)) for sku, units in entries.items()]


def _default(value: Any, *, required: bool) -> str:
    if required or value is PydanticUndefined:
        return "must be set"
    if value is None:
        return "none"
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
