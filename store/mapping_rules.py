"""Reviewed rules: entries that people added to a mapping while they solved a case. Rows are added, never changed."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, Text, func
from sqlmodel import Field, Session, col, select

from domain.mapping_rules import MappingRule
from store.columns import Row, UtcTime
from store.database import Database

LONGEST_VALUE = 300


class MappingRuleRow(Row, table=True):
    """Table ``mapping_rule``: of two rules for one entry the later one holds."""

    __tablename__ = "mapping_rule"

    id: int | None = Field(default=None, primary_key=True)
    mapping: str = Field(sa_type=String(100), index=True)
    table: str = Field(sa_type=String(40))
    key: str = Field(sa_type=String(300))
    value: str = Field(sa_type=String(LONGEST_VALUE))
    replaced: str | None = Field(default=None, sa_type=String(300))
    actor: str = Field(sa_type=String(100))
    reason: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=UtcTime)
    case_id: int | None = Field(
        default=None, sa_column_args=[ForeignKey("cases.id")], sa_type=Integer, nullable=True
    )


def add_rule(session: Session, rule: MappingRule) -> None:
    """Keep a rule, in the caller's transaction."""
    session.add(MappingRuleRow(**rule.model_dump()))
    session.flush()


class MappingRules:
    """The rules' queries. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def mark(self) -> tuple[int, int]:
        """Changes whenever a rule is added; cheap to ask."""
        with self._db.read() as session:
            count, last = session.connection().execute(_MARK).one()
        return count, last or 0

    def all(self, mapping: str) -> tuple[MappingRule, ...]:
        """The rules of a mapping, oldest first."""
        query = (
            select(MappingRuleRow).where(MappingRuleRow.mapping == mapping).order_by(col(MappingRuleRow.id))
        )
        with self._db.read() as session:
            return tuple(
                MappingRule.model_validate(row.model_dump(exclude={"id"}))
                for row in session.exec(query).all()
            )


_MARK = select(func.count(), func.max(MappingRuleRow.id)).select_from(MappingRuleRow)
