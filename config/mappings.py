"""Loads mapping files. Every mistake is told with its file, its table and key, and the reason."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.settings import Settings, variable
from domain.backorders import refuse_rules
from domain.mapping import Mapping
from domain.stock_decision import shares_are_sound

MAPPINGS = Path(__file__).parent / "mappings"
"""Where mapping files lie that are named without a path."""


class MappingError(Exception):
    """A mapping file cannot be used. ``problems``: one sentence each, naming table, key and reason."""

    def __init__(self, file: Path, problems: tuple[str, ...]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


def load_mapping(name_or_path: str | Path) -> Mapping:
    """Read one mapping file, by its name in ``config/mappings`` or by a path that ends in ``.toml``.

    Raises MappingError that lists everything that is wrong, not the first thing only.
    """
    path = mapping_file(name_or_path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in MAPPINGS.glob("*.toml")))
        raise MappingError(path, (f"there is no such file; known mappings are: {known}",)) from None
    except UnicodeDecodeError as error:
        raise MappingError(path, (f"is not UTF-8 text ({error.reason} at byte {error.start})",)) from error
    except OSError as error:
        raise MappingError(path, (f"cannot be read: {error.strerror}",)) from error
    except tomllib.TOMLDecodeError as error:
        raise MappingError(path, (f"is not valid TOML: {error}",)) from error
    try:
        mapping = Mapping.model_validate(content)
    except ValidationError as error:
        problems = (_explain(e["loc"], e["type"], e["msg"]) for e in error.errors())
        raise MappingError(path, tuple(problems)) from error
    if empty := tuple(f"{place} is empty; give it a value or remove it" for place in _empty(content)):
        raise MappingError(path, empty)
    return mapping


def load_mappings(settings: Settings) -> dict[str, Mapping]:
    """The mapping of every channel. Raises MappingError that also names the channel's variable."""
    loaded = {}
    for name, channel in settings.channels.items():
        try:
            loaded[name] = load_mapping(channel.mapping)
        except MappingError as error:
            named = variable("channels", name, "mapping")
            raise MappingError(
                error.file, tuple(f"{problem} (named by {named})" for problem in error.problems)
            ) from error
    return loaded


def require_possible(
    settings: Settings, mappings: dict[str, Mapping], *, tells_backorders: bool, holds_back: bool
) -> None:
    """Raises MappingError where the ERP cannot do what a channel's mapping asks for, as a shortage would show too late.

    ``tells_backorders`` and ``holds_back`` are what the ERP can do: ``ErpCapabilities.backorders``, ``complete_only``.
    """
    for name, mapping in mappings.items():
        if refused := refuse_rules(mapping.backorders, told=tells_backorders, held_back=holds_back):
            named = variable("channels", name, "mapping")
            problem = f"[backorders] {refused} (named by {named})"
            raise MappingError(mapping_file(settings.channel(name).mapping), (problem,))


def require_stock(
    settings: Settings, mappings: dict[str, Mapping], *, erp: bool, storefronts: dict[str, bool]
) -> None:
    """Raises MappingError where a channel is to be told of stock and cannot be, or where the shares do not add up.

    ``erp`` and ``storefronts`` say whether each can: the capability ``stock``.
    """
    told = {name: mapping.stock for name, mapping in mappings.items() if mapping.stock.push}
    for name in told:
        lacking = "" if storefronts[name] else f"the storefront ({settings.channel(name).vendor}) takes none"
        if not erp:
            lacking = f"the ERP ({settings.require_erp().vendor}) tells of none"
        if lacking:
            named = variable("channels", name, "mapping")
            problem = f"[stock] push is true, and {lacking}; set it to false (named by {named})"
            raise MappingError(mapping_file(settings.channel(name).mapping), (problem,))
    if wrong := shares_are_sound(told):
        first, *others = dict.fromkeys(mapping_file(settings.channel(name).mapping) for name in told)
        beside = f" (with {', '.join(map(str, others))})" if others else ""
        raise MappingError(first, (wrong + beside,))


def mapping_file(name_or_path: str | Path) -> Path:
    """Where a mapping lies that is named as in ``load_mapping``."""
    path = Path(name_or_path)
    if path.suffix == ".toml" or len(path.parts) > 1:
        return path
    return MAPPINGS / f"{path}.toml"


def _place(location: tuple[str | int, ...]) -> str:
    """Where an entry stands, as its author wrote it: ``[locations] 101``, ``[[taxes]] entry 2, rate``."""
    match [str(part) for part in location if part != "[key]"]:
        case []:
            return "the file"
        case ["taxes", number, *rest]:
            return f"[[taxes]] entry {int(number) + 1}" + (f", {'.'.join(rest)}" if rest else "")
        case [key]:
            return key
        case parts:
            return f"[{'.'.join(parts[:-1])}] {parts[-1]}"


def _explain(location: tuple[str | int, ...], kind: str, message: str) -> str:
    place = _place(location)
    match kind:
        case "missing":
            return f"{place} is missing"
        case "extra_forbidden":
            return (
                f"{place} is not known; correct its spelling or remove it (docs/field-mapping.md lists all)"
            )
        case "value_error" if not location:
            return message.removeprefix("Value error, ")
        case _:
            reason = message.removeprefix("Value error, ")
            return f"{place}: {reason[:1].lower()}{reason[1:]}"


def _empty(content: Any, location: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Places of empty texts: a blank code is forgotten, which the ERP would name only at the first order."""
    match content:
        case dict():
            for key, value in content.items():
                yield from _empty(value, (*location, key))
        case list():
            for number, value in enumerate(content):
                yield from _empty(value, (*location, number))
        case str() if not content.strip():
            yield _place(location)
