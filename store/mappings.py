"""The mapping in force: its file with the reviewed rules over it; and every version that an order may be pinned to."""

import logging
from collections.abc import Iterable
from collections.abc import Mapping as Dictionary
from datetime import UTC, datetime
from threading import Lock

from sqlalchemy import String, Text
from sqlmodel import Field

from domain.mapping import Mapping
from domain.mapping_rules import Merged, merge
from store.columns import Row, UtcTime
from store.database import Database, insert_or_ignore
from store.mapping_rules import MappingRules

log = logging.getLogger(__name__)


class MappingRow(Row, table=True):
    """Table ``mapping_version``; rows are never changed or deleted while orders are pinned to them."""

    __tablename__ = "mapping_version"

    version: str = Field(primary_key=True, sa_type=String(64))
    name: str = Field(sa_type=String(100))
    content: str = Field(sa_type=Text)
    first_used_at: datetime = Field(sa_type=UtcTime)


class MappingCatalog:
    """Implements ``MappingSource``. ``files`` are the mappings by channel as their files say.

    A rule that is added anywhere is in force here with the next call: whether there is a new one is asked each time.
    """

    def __init__(self, db: Database, files: Dictionary[str, Mapping]) -> None:
        self._db = db
        self._files = dict(files)
        self._rules = MappingRules(db)
        self._lock = Lock()
        self._mark: tuple[int, int] | None = None
        self._merged: dict[str, Merged] = {}
        self._known: dict[str, Mapping] = {}
        self._keep(self._files.values())

    def current(self, channel: str) -> Mapping:
        """The mapping in force. Raises KeyError for a channel that is not set up, DatabaseUnavailable."""
        return self.merged(channel).mapping

    def merged(self, channel: str) -> Merged:
        """The mapping in force with what has to be said about its rules. Raises as ``current``."""
        with self._lock:
            mark = self._rules.mark()
            if mark != self._mark:
                names = {mapping.name for mapping in self._files.values()}
                rules = {name: self._rules.all(name) for name in names}
                self._merged = {c: merge(m, rules[m.name]) for c, m in self._files.items()}
                self._keep(merged.mapping for merged in self._merged.values())
                for sentence in {words for merged in self._merged.values() for words in merged.set_aside}:
                    log.warning("%s", sentence)
                self._mark = mark
            return self._merged[channel]

    def version(self, version: str) -> Mapping:
        """A version by its content id. Raises KeyError where it was never in force with this store."""
        if version not in self._known:
            with self._db.read() as session:
                row = session.get(MappingRow, version)
            if row is None:
                raise KeyError(version)
            self._known[version] = Mapping.model_validate_json(row.content)
        return self._known[version]

    def _keep(self, mappings: Iterable[Mapping]) -> None:
        """Remember versions for as long as orders may be pinned to them."""
        new = {mapping.version: mapping for mapping in mappings if mapping.version not in self._known}
        if not new:
            return
        with self._db.write(lasting=True) as session:
            for version, mapping in new.items():
                values = {
                    "version": version,
                    "name": mapping.name,
                    "content": mapping.model_dump_json(),
                    "first_used_at": datetime.now(UTC),
                }
                insert_or_ignore(session, MappingRow, values)
        self._known |= new
