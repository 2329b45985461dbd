"""The scenario catalogue: every file of ``catalogue/``, read and checked."""

import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sandbox.scenarios.vocabulary import Scenario

DIRECTORY: Final = Path(__file__).parent / "catalogue"
TEST_ORDER: Final = "a test order is ignored"


class CatalogueBroken(Exception):
    """A file is not as it should be; the message names file, field and remedy."""


@lru_cache
def catalogue() -> tuple[Scenario, ...]:
    """All of them, by file name. Raises CatalogueBroken."""
    return read_catalogue(sorted(DIRECTORY.glob("*.toml")))


def shapes() -> tuple[Scenario, ...]:
    """Orders of every shape that are shipped and nothing else: what the demo carries."""
    return tuple(scenario for scenario in catalogue() if scenario.group == "shape")


def named(name: str) -> Scenario:
    """One scenario. Raises CatalogueBroken where there is none of that name."""
    for scenario in catalogue():
        if scenario.name == name:
            return scenario
    raise CatalogueBroken(f"there is no scenario {name!r}; the names are listed in docs/scenarios.md")


def file_name(name: str) -> str:
    """What a scenario's file is called."""
    return "-".join("".join(c if c.isalnum() else " " for c in name).lower().split()) + ".toml"


def read_catalogue(files: Iterable[Path]) -> tuple[Scenario, ...]:
    """Read files. Raises CatalogueBroken."""
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Scenario:
    try:
        scenario = Scenario.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueBroken(f"{file.name} is not TOML: {error}; correct the file") from error
    except ValidationError as error:
        raise CatalogueBroken(_in_words(file, error)) from error
    if file.name != file_name(scenario.name):
        raise CatalogueBroken(
            f"{file.name}: name is {scenario.name!r}; call the file {file_name(scenario.name)}"
        )
    return scenario


def _in_words(file: Path, error: ValidationError) -> str:
    lines = []
    for each in error.errors(include_url=False):
        where = ".".join(map(str, each["loc"])) or "the file"
        lines.append(f"{file.name}: {where}: {each['msg']} (see sandbox/scenarios/vocabulary.py)")
    return "\n".join(lines)
