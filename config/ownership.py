"""Who owns which field: the table of ``config/ownership.toml``, validated.

It states the rules; nothing here enforces them.
"""

import tomllib
from enum import StrEnum
from pathlib import Path

from pydantic import RootModel, ValidationError

from domain.model import Frozen

FILE = Path(__file__).parent / "ownership.toml"


class Owner(StrEnum):
    """The one system whose value is right."""

    ERP = "erp"
    STOREFRONT = "storefront"
    PIM = "pim"
    OPERATOR = "operator"


class WriteMode(StrEnum):
    """How the owner's value goes to the other side."""

    OVERWRITE = "overwrite"
    IF_NEW = "if_new"
    IF_EMPTY = "if_empty"
    APPEND = "append"


class ForeignWrite(StrEnum):
    """What a write by somebody else than the owner does."""

    OPEN_CASE = "open_case"
    RESTORE = "restore"
    IGNORE = "ignore"


class FieldRule(Frozen):
    """One row of the table."""

    owner: Owner
    write: WriteMode
    foreign: ForeignWrite


class OwnershipError(Exception):
    """The ownership file cannot be used; the message names file, table, field and reason."""


class Ownership(RootModel[dict[str, dict[str, FieldRule]]]):
    """Entity -> field -> rule."""

    def rule(self, entity: str, field: str) -> FieldRule:
        """The rule of a field. Raises OwnershipError where the table has none."""
        try:
            return self.root[entity][field]
        except KeyError:
            raise OwnershipError(f"{FILE.name} has no rule for {field!r} in [{entity}]; add one") from None


def load_ownership(path: Path = FILE) -> Ownership:
    """Read and validate the table. Raises OwnershipError."""
    try:
        return Ownership.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise OwnershipError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise OwnershipError(f"{path}: is not valid TOML: {error}") from error
    except ValidationError as error:
        problems = []
        for found in error.errors():
            table, *rest = [str(part) for part in found["loc"]]
            problems.append(f"{path}: [{table}] {'.'.join(rest)}: {found['msg']}")
        raise OwnershipError("\n".join(problems)) from error
