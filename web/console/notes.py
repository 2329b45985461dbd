"""What came of a decision, kept for a few minutes: what answers it is a page that can be loaded again."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

KEEP_SECONDS = 600.0
MOST = 1_000


@dataclass(frozen=True)
class Note:
    """``kind`` is ``done``, ``taken`` or ``refused``."""

    person: str
    path: str
    kind: str
    text: str
    until: float


class Notes:
    """Notes by a word that nobody can guess; each is for one person and one page."""

    def __init__(self) -> None:
        self._notes: OrderedDict[str, Note] = OrderedDict()

    def keep(self, person: str, path: str, kind: str, text: str) -> str:
        """The word of a new note."""
        while len(self._notes) >= MOST:
            self._notes.popitem(last=False)
        word = secrets.token_urlsafe(12)
        self._notes[word] = Note(person, path, kind, text, monotonic() + KEEP_SECONDS)
        return word

    def read(self, word: str, person: str, path: str) -> Note | None:
        """The note, where it is for this person and page and not too old."""
        note = self._notes.get(word)
        known = note is not None and (note.person, note.path) == (person, path) and note.until > monotonic()
        return note if known else None
