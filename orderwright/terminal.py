"""How commands talk: tables for people, JSON for programs, errors in plain words with an exit status."""

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from adapters.errors import AdapterError, SessionExpired, Unavailable
from config.mappings import MappingError
from config.ownership import OwnershipError
from config.settings import Settings, SettingsError, load_settings
from domain.order import OrderKey
from sandbox.failures import HouseStuck, PartFailed, PreparationFailed, StagingRefused
from store.database import Database
from store.errors import DatabaseUnavailable, SchemaOutdated
from web.desk.names import order_called
from web.desk.operations import CannotBeDone
from workflows.messages import LONGEST_REASON

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]


def short_enough(reason: str) -> str:
    """A reason as it was given. Raises BadParameter where the story could not keep it."""
    if len(reason) > LONGEST_REASON:
        raise typer.BadParameter(f"it has {len(reason):,} characters; say it in {LONGEST_REASON:,}")
    return reason


Reason = Annotated[str, typer.Option(help="Why; kept in the story.", callback=short_enough)]
Actor = Annotated[str, typer.Option(help="Who; default: the user of this machine.")]
STACK_ENVIRONMENT = Path("var/up/env")
"""Where ``orderwright up`` leaves the settings of the running stack."""

FAILED, MISUSED, UNDER_WAY = 1, 2, 3
"""Exit statuses: refused or failed; called wrongly; taken, and carried out later without anybody's help."""
NO_TERMINAL_WIDTH = 200


class CommandFailed(Exception):
    """A command could not do its work; the message says why, and what helps."""


EXPECTED = (
    CommandFailed,
    CannotBeDone,
    AdapterError,
    DatabaseUnavailable,
    HouseStuck,
    PartFailed,
    PreparationFailed,
    StagingRefused,
)


class PlainErrors(TyperGroup):
    """Turns what can be expected to go wrong into words and an exit status; anything else is a bug and shows itself."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            complain(error.problems)
            raise typer.Exit(MISUSED) from error
        except (MappingError, OwnershipError) as error:
            complain(str(error).splitlines())
            raise typer.Exit(MISUSED) from error
        except SchemaOutdated as error:
            complain([f"{error} (or run: orderwright migrate)"])
            raise typer.Exit(FAILED) from error
        except (Unavailable, SessionExpired) as error:
            complain(
                [f"{error}; is it up, and reachable from here? See: orderwright status, orderwright doctor"]
            )
            raise typer.Exit(FAILED) from error
        except EXPECTED as error:
            complain([str(error)])
            raise typer.Exit(FAILED) from error


@dataclass(frozen=True)
class Invocation:
    """What all commands share: where the settings come from."""

    env_file: Path | None

    def settings(self) -> Settings:
        """The settings. Raises SettingsError; also where the file that was named is missing."""
        if self.env_file is not None:
            if not self.env_file.is_file():
                raise SettingsError([f"there is no file {self.env_file}; correct --env-file or leave it out"])
            return load_settings(self.env_file)
        return load_settings(
            next((file for file in (Path(".env"), STACK_ENVIRONMENT) if file.is_file()), None)
        )


def invocation(ctx: typer.Context) -> Invocation:
    """What the command was called with."""
    assert isinstance(ctx.obj, Invocation)
    return ctx.obj


@contextmanager
def open_store(ctx: typer.Context) -> Iterator[Database]:
    """The store of the settings, its tables checked. Raises SchemaOutdated, DatabaseUnavailable."""
    database = Database(invocation(ctx).settings().database)
    try:
        database.check()
        yield database
    finally:
        database.close()


def order_named(ctx: typer.Context, text: str) -> OrderKey:
    """The order that people call ``text``. Raises CannotBeDone where it is none, or several."""
    with open_store(ctx) as database:
        return order_called(database, text)


def complain(problems: Iterable[str]) -> None:
    """Say what is wrong, on standard error."""
    for problem in problems:
        typer.echo(f"orderwright: {problem}", err=True)


def print_json(value: Any) -> None:
    """Print models, or anything JSON can hold."""
    plain = [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in _listed(value)]
    typer.echo(
        json.dumps(to_jsonable_python(plain if isinstance(value, list | tuple) else plain[0]), indent=2)
    )


def print_json_line(value: dict[str, Any]) -> None:
    """Print one line at once, for a program that reads along."""
    typer.echo(json.dumps(to_jsonable_python(value)))
    sys.stdout.flush()


def print_table(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    wide: Collection[str] = (),
    empty: str = "",
) -> None:
    """Print a table, or the sentence for an empty one. The columns named in ``wide`` wrap, the others never do."""
    listed = list(rows)
    if not listed:
        typer.echo(empty)
        return
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        if head in wide:
            table.add_column(head, overflow="fold")
        else:
            table.add_column(head, no_wrap=True)
    for row in listed:
        table.add_row(*map(Text, row))
    _console().print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one below the other; a value never wraps, so that it can be copied whole."""
    listed = list(facts)
    width = max(len(name) for name, _ in listed)
    for name, value in listed:
        typer.echo(f"{name:>{width}}  {value}")


def _console() -> Console:
    """Standard output; where it is no terminal, lines are long enough to be searched."""
    console = Console()
    return console if console.is_terminal else Console(width=NO_TERMINAL_WIDTH)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]
