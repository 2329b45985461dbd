"""Reviewed rules in the store: in force in every process with its next read, each a version to be pinned to."""

from datetime import UTC, datetime

import pytest

from domain.mapping_rules import MappingRule
from store.database import Database
from store.mapping_rules import MappingRules, add_rule
from store.mappings import MappingCatalog
from tests.order_builder import sandbox_mapping
from web.desk.operations import CannotBeDone
from web.desk.rules import rules_that_stand, withdraw


def keep(
    db: Database, key: str, value: str, *, mapping: str = "shopify-tryton", replaced: str | None = None
) -> None:
    rule = MappingRule(
        mapping=mapping,
        table="skus",
        key=key,
        value=value,
        replaced=replaced,
        actor="Ada",
        reason="checked",
        at=datetime.now(UTC),
    )
    with db.write() as session:
        add_rule(session, rule)


def test_a_rule_is_in_force_in_a_process_that_runs_already(db: Database) -> None:
    file = sandbox_mapping()
    catalog = MappingCatalog(db, {"shop": file, "outlet": file.model_copy(update={"name": "outlet"})})
    assert catalog.current("shop") == file
    keep(db, "ABC-1", "TEE")
    ruled = catalog.current("shop")
    assert ruled.product("ABC-1") == "TEE"
    assert catalog.current("shop") is ruled, "nothing is merged anew while no rule comes"
    assert catalog.current("outlet").product("ABC-1") == "ABC-1"
    keep(db, "ABC-1", "MUG")
    assert catalog.current("shop").product("ABC-1") == "MUG"


def test_every_state_of_the_rules_is_a_version_that_another_process_finds(db: Database) -> None:
    catalog = MappingCatalog(db, {"shop": sandbox_mapping()})
    versions = {}
    for value in ("TEE", "MUG"):
        keep(db, "ABC-1", value)
        versions[catalog.current("shop").version] = value
    assert len(versions) == 2
    other = MappingCatalog(db, {"shop": sandbox_mapping()})
    for version, value in versions.items():
        assert other.version(version).product("ABC-1") == value


def test_a_rule_that_fits_no_more_leaves_the_file_in_force(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    keep(db, "ABC-1", "TEE")
    file = sandbox_mapping(skus={"ABC-1": "LATER"})
    catalog = MappingCatalog(db, {"shop": file})
    assert catalog.current("shop") == file
    assert "the file says 'LATER' since a later change" in caplog.text
    catalog.current("shop")
    assert caplog.text.count("LATER") == 1


def test_a_rule_is_withdrawn_by_its_entry_and_the_file_holds_with_the_next_read(db: Database) -> None:
    file = sandbox_mapping(skus={"B": "CAP"})
    files = {"shop": file, "outlet": file.model_copy(update={"name": "outlet"})}
    catalog = MappingCatalog(db, files)
    keep(db, "ABC-1", "TEE")
    keep(db, "B", "MUG", replaced="CAP")
    assert catalog.current("shop").product("ABC-1") == "TEE"
    told = withdraw(db, files, " [skus]  ABC-1 ", actor="Kim", reason="it is another shirt")
    assert told.startswith("[skus] ABC-1 = TEE is withdrawn from shopify-tryton; the file says nothing there")
    assert catalog.current("shop").product("ABC-1") == "ABC-1"
    assert catalog.current("shop").product("B") == "MUG"
    last = MappingRules(db).all("shopify-tryton")[-1]
    assert (last.withdrawn, last.actor, last.reason) == (True, "Kim", "it is another shirt")
    assert "the file says 'CAP'" in withdraw(db, files, "[skus] B", actor="Kim", reason="as it was")
    assert catalog.current("shop") == file
    assert rules_that_stand(db, files) == ()
    with pytest.raises(
        CannotBeDone, match=r"no rule stands for '\[skus\] ABC-1'; see: orderwright mapping list"
    ):
        withdraw(db, files, "[skus] ABC-1", actor="Kim", reason="again")
    keep(db, "ABC-1", "TEE")
    assert catalog.current("shop").product("ABC-1") == "TEE"


def test_of_two_mappings_with_such_a_rule_one_is_named(db: Database) -> None:
    file = sandbox_mapping()
    files = {"shop": file, "outlet": file.model_copy(update={"name": "outlet"})}
    for mapping in ("shopify-tryton", "outlet"):
        keep(db, "ABC-1", "TEE", mapping=mapping)
    with pytest.raises(CannotBeDone, match="shopify-tryton, outlet; name one of them"):
        withdraw(db, files, "[skus] ABC-1", actor="Kim", reason="x")
    withdraw(db, files, "[skus] ABC-1", mapping="outlet", actor="Kim", reason="x")
    assert [rule.mapping for rule in rules_that_stand(db, files)] == ["shopify-tryton"]
