"""Every version of the mapping that an order may be pinned to, by its content id."""

from collections.abc import Mapping as Dictionary
from datetime import UTC, datetime

from sqlalchemy import String, Text
from sqlmodel import Field

from domain.mapping import Mapping
from store.columns import Row, UtcTime
from store.database import Database, insert_or_ignore


class MappingRow(Row, table=True):
    """Table ``mapping_version``; rows are never changed or deleted while orders are pinned to them."""

    __tablename__ = "mapping_version"

    version: str = Field(primary_key=True, sa_type=String(64))
    name: str = Field(sa_type=String(100))
    content: str = Field(sa_type=Text)
    first_used_at: datetime = Field(sa_type=UtcTime)


class MappingCatalog:
    """Implements ``MappingSource``: the mappings in force by channel, and every earlier version."""

    def __init__(self, db: Database, current: Dictionary[str, Mapping]) -> None:
        self._db = db
        self._current = dict(current)
        self._known = {mapping.version: mapping for mapping in current.values()}
        with db.write(lasting=True) as session:
            for mapping in self._known.values():
                values = {
                    "version": mapping.version,
                    "name": mapping.name,
                    "content": mapping.model_dump_json(),
                    "first_used_at": datetime.now(UTC),
                }
                insert_or_ignore(session, MappingRow, values)

    def current(self, channel: str) -> Mapping:
        """The mapping in force. Raises KeyError for a channel that is not set up."""
        return self._current[channel]

    def version(self, version: str) -> Mapping:
        """A version by its content id. Raises KeyError where it was never in force with this store."""
        if version not in self._known:
            with self._db.read() as session:
                row = session.get(MappingRow, version)
            if row is None:
                raise KeyError(version)
            self._known[version] = Mapping.model_validate_json(row.content)
        return self._known[version]
