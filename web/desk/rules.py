"""What people may do about the reviewed rules of mappings once a case is solved by one: see them, and withdraw one."""

from collections.abc import Mapping as Dictionary
from datetime import UTC, datetime

from domain.mapping import Mapping
from domain.mapping_rules import MappingRule, entry, standing
from store.database import Database
from store.mapping_rules import MappingRules, add_rule
from web.desk.operations import CannotBeDone


def rules_that_stand(database: Database, files: Dictionary[str, Mapping]) -> tuple[MappingRule, ...]:
    """Of the mappings of these channels, the oldest rule first. Raises DatabaseUnavailable."""
    names = sorted({mapping.name for mapping in files.values()})
    found = [rule for name in names for rule in standing(MappingRules(database).all(name))]
    return tuple(sorted(found, key=lambda rule: rule.at))


def withdraw(
    database: Database,
    files: Dictionary[str, Mapping],
    place: str,
    *,
    mapping: str = "",
    actor: str,
    reason: str,
) -> str:
    """End the rule of an entry, told as ``[skus] ABC-1``; the file's own word holds from the next read on, in words.

    What was entered with the rule stays as it is. ``mapping`` is needed where several have a rule for that entry.
    Raises CannotBeDone, DatabaseUnavailable.
    """
    wanted = " ".join(place.split())
    found = [
        rule
        for rule in rules_that_stand(database, files)
        if rule.place == wanted and mapping in {"", rule.mapping}
    ]
    match found:
        case [rule]:
            pass
        case []:
            raise CannotBeDone(f"no rule stands for {wanted!r}", "see: orderwright mapping list")
        case several:
            names = ", ".join(rule.mapping for rule in several)
            raise CannotBeDone(f"several mappings have a rule for {wanted}: {names}; name one of them")
    file = next(each for each in files.values() if each.name == rule.mapping)
    said = entry(file, rule.table, rule.key)
    ended = rule.model_copy(
        update={
            "value": "",
            "replaced": said,
            "actor": actor,
            "reason": reason,
            "at": datetime.now(UTC),
        }
    )
    with database.write(lasting=True) as session:
        add_rule(session, ended)
    now = f"the file says {said!r}" if said is not None else "the file says nothing there"
    return (
        f"{rule.place} = {rule.value} is withdrawn from {rule.mapping}; {now}. Orders that were entered with it stay "
        "as they are"
    )
