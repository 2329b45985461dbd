"""Reviewed rules in the store: in force in every process with its next read, each a version to be pinned to."""

from datetime import UTC, datetime

import pytest

from domain.mapping_rules import MappingRule
from store.database import Database
from store.mapping_rules import add_rule
from store.mappings import MappingCatalog
from tests.order_builder import sandbox_mapping


def keep(db: Database, key: str, value: str, *, mapping: str = "shopify-tryton") -> None:
    rule = MappingRule(
        mapping=mapping,
        table="skus",
        key=key,
        value=value,
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
