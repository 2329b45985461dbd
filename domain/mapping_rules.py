"""Reviewed rules: entries that a person adds to a mapping to solve a case, laid over its file.

A rule is data like the file's own entries: the whole mapping is built and checked anew with it. Where file and rule
say different things, the later decision holds: a rule remembers what the file said when it was made, so an entry that
was changed since is the file's own, later word.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from domain.cases import LONGEST_CAUSE
from domain.mapping import Mapping
from domain.model import Frozen, Instant

_PLAIN = frozenset({"skus", "locations", "payment_methods", "shipping_services", "carriers", "charges"})
_PRODUCTS = frozenset({"shipping_product", "adjustment_product"})


class RuleRefused(Exception):
    """The mapping does not take the rule; the message names entry, value and reason."""


class MappingRule(Frozen):
    """``[table] key = value`` of the mapping of this name."""

    mapping: str
    table: str
    key: str
    """Empty for a value that stands alone, such as ``adjustment_product``."""
    value: str
    """Empty where somebody withdrew what was ruled before: the file's own word holds."""
    replaced: str | None = None
    """What the file said when the rule was made; None: nothing."""
    actor: str
    reason: str
    at: Instant
    case_id: int | None = None

    @property
    def place(self) -> str:
        """``[skus] ABC-1``."""
        return f"[{self.table}] {self.key}" if self.key else self.table

    @property
    def withdrawn(self) -> bool:
        """It ends the rules before it, and says nothing itself."""
        return not self.value

    @property
    def origin(self) -> str:
        """Whose rule, of when, for which case."""
        case = f", case {self.case_id}" if self.case_id is not None else ""
        return f"{self.actor}'s rule of {self.at:%Y-%m-%d}{case}"


class Target(Frozen):
    """An entry that would cure a cause; ``backwards``: the missing side is the key, what is known is the value."""

    table: str
    key: str
    backwards: bool = False


class Merged(Frozen):
    """A file with its rules, and what has to be said about them, one sentence each."""

    mapping: Mapping
    overruling: tuple[str, ...] = ()
    """Rules that hold over another value of the file."""
    set_aside: tuple[str, ...] = ()
    """Rules that do not hold: the file was changed later, or does not fit them any more."""


def targets(cause: str, mapping: Mapping) -> tuple[Target, ...]:
    """The entries of this mapping that would cure a cause; none where no entry can."""
    parts = cause.split(":", maxsplit=2)
    if len(cause) >= LONGEST_CAUSE:
        return ()
    match parts:
        case ["unmapped", "warehouses", warehouse]:
            return (Target(table="locations", key=warehouse, backwards=True),)
        case ["unmapped", table, key]:
            return (Target(table=table, key=key),)
        case ["product_unknown", _, code]:
            return _naming_product(code, mapping)
        case ["warehouse_unknown", _, code]:
            return tuple(Target(table="locations", key=k) for k, v in mapping.locations.items() if v == code)
        case ["carrier_unknown", _, code]:
            services = mapping.shipping_services.items()
            return tuple(Target(table="shipping_services", key=k) for k, v in services if v == code)
        case ["tax_unknown", _, code]:
            return tuple(
                Target(table="taxes", key=f"{t.title} {t.rate}") for t in mapping.taxes if t.erp_code == code
            )
        case ["party_unknown", _, code]:
            companies = mapping.companies.items()
            return tuple(Target(table="companies", key=k) for k, v in companies if v.party == code)
        case ["adjustment_product_missing", *_]:
            return (Target(table="adjustment_product", key=""),)
        case _:
            return ()


def entry(mapping: Mapping, table: str, key: str) -> str | None:
    """What the mapping says there; None where it says nothing."""
    if table in _PLAIN:
        found: str | None = getattr(mapping, table).get(key)
        return found
    if table in _PRODUCTS:
        product: str | None = getattr(mapping, table)
        return product
    match table:
        case "taxes":
            return next((t.erp_code for t in mapping.taxes if f"{t.title} {t.rate}" == key), None)
        case "companies":
            company = mapping.companies.get(key)
            return company.party if company else None
    return None


def with_rule(mapping: Mapping, rule: MappingRule) -> Mapping:
    """The mapping built anew with the rule. Raises RuleRefused naming the value."""
    if not rule.value.strip():
        raise RuleRefused(f"{rule.place}: the value is empty; give the one that is to stand there")
    content = mapping.model_dump()
    _set(content, rule)
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        reasons = "; ".join(e["msg"].removeprefix("Value error, ") for e in error.errors())
        raise RuleRefused(f"{rule.place} cannot become {rule.value!r}: {reasons}") from error


def standing(rules: Iterable[MappingRule]) -> tuple[MappingRule, ...]:
    """Of the rules of one mapping, oldest first, the last one of each entry, without those that were withdrawn."""
    latest: dict[tuple[str, str], MappingRule] = {}
    for rule in rules:
        latest.pop((rule.table, rule.key), None)
        latest[rule.table, rule.key] = rule
    return tuple(rule for rule in latest.values() if not rule.withdrawn)


def merge(file: Mapping, rules: Iterable[MappingRule]) -> Merged:
    """The file with its rules laid over, oldest first; a rule that cannot hold is set aside and holds up no other."""
    mapping, overruling, aside = file, [], []
    for rule in standing(rules):
        said = entry(file, rule.table, rule.key)
        if said is not None and said not in {rule.value, rule.replaced}:
            aside.append(
                f"{rule.place}: the file says {said!r} since a later change, so {rule.origin} ({rule.value!r}) is over"
            )
            continue
        try:
            mapping = with_rule(mapping, rule)
        except RuleRefused as refused:
            aside.append(f"{rule.origin} does not fit the file any more and is left out: {refused}")
            continue
        if said is not None and said != rule.value:
            overruling.append(
                f"{rule.place}: {rule.origin} says {rule.value!r} and holds over the file's older {said!r}"
            )
    return Merged(mapping=mapping, overruling=tuple(overruling), set_aside=tuple(aside))


def _naming_product(code: str, mapping: Mapping) -> tuple[Target, ...]:
    alone = tuple(
        Target(table=table, key="") for table in sorted(_PRODUCTS) if getattr(mapping, table) == code
    )
    named = tuple(Target(table="skus", key=sku) for sku, product in mapping.skus.items() if product == code)
    charged = tuple(
        Target(table="charges", key=k) for k, product in mapping.charges.items() if product == code
    )
    passed = not (alone or charged) and mapping.sku_passthrough and code not in mapping.skus
    return (*alone, *named, *charged, *([Target(table="skus", key=code)] if passed else []))


def _set(content: dict[str, Any], rule: MappingRule) -> None:
    if rule.table in _PLAIN:
        content[rule.table] = {**content[rule.table], rule.key: rule.value}
    elif rule.table in _PRODUCTS:
        content[rule.table] = rule.value
    elif rule.table == "companies":
        known = content["companies"].get(rule.key, {})
        content["companies"] = {**content["companies"], rule.key: {**known, "party": rule.value}}
    elif rule.table == "taxes":
        title, _, rate = rule.key.rpartition(" ")
        others = [tax for tax in content["taxes"] if f"{tax['title']} {tax['rate']}" != rule.key]
        content["taxes"] = (*others, {"title": title, "rate": rate, "erp_code": rule.value})
    else:
        raise RuleRefused(f"{rule.place} cannot be set by a rule; change the mapping file")
