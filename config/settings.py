"""Settings of a deployment: everything comes from the environment and ``.env``, prefix ``ORDERWRIGHT_``.

Groups nest by two underscores: ``ORDERWRIGHT_WEB__PORT`` is ``Settings.web.port``. Secrets are ``SecretStr``,
so that they never show in a log, a history or an error. Each setting is explained in ``docs/settings.md``; a
test holds that.
"""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import get_origin

from dotenv import dotenv_values
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from config.setting_groups import (
    Address,
    ChannelName,
    ChannelSettings,
    ConsoleSettings,
    ErpSettings,
    LogSettings,
    StockSettings,
    SweepSettings,
    TemporalSettings,
    WebSettings,
)

PREFIX = "ORDERWRIGHT_"
DELIMITER = "__"
NOT_OURS = ("ORDERWRIGHT_TEST_", "ORDERWRIGHT_SANDBOX_")
"""Names that start like ours but belong to the test run and the sandbox."""


class SettingsError(Exception):
    """The settings cannot be used. ``problems``: one sentence each, naming the variable and the remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Settings(BaseSettings):
    """Everything an operator can set. ``load_settings`` reads it and says what is wrong in plain words."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_file=None,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: SecretStr = Field(
        SecretStr("sqlite:///var/orderwright.db"),
        description="Address of the store: `sqlite:///file` or `postgresql://user:password@host/name`.",
    )
    temporal: TemporalSettings = TemporalSettings()
    channels: dict[ChannelName, ChannelSettings] = Field(
        default_factory=dict,
        description="The storefronts, by channel name: small letters, digits and single underscores.",
    )
    erp: ErpSettings | None = Field(None, description="The ERP that all channels' orders go to.")
    web: WebSettings = WebSettings()
    console: ConsoleSettings = ConsoleSettings()
    sweep: SweepSettings = SweepSettings()
    stock: StockSettings = StockSettings()
    log: LogSettings = LogSettings()
    feed_interval_seconds: float = Field(
        5.0, gt=0, le=3600, description="Pause between two looks at the ERP's changes, in seconds."
    )
    otel_endpoint: Address | None = Field(
        None,
        description="OpenTelemetry collector that takes metrics and traces by OTLP over HTTP, such as "
        "`http://collector:4318`. Without it nothing is exported.",
    )
    otel_trace_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the webhooks whose way is traced: 1 all, 0.1 every tenth, 0 none.",
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr) -> SecretStr:
        try:
            url = make_url(value.get_secret_value())
        except ArgumentError:
            msg = "is not a database address; write sqlite:///file or postgresql://user:password@host/name"
            raise ValueError(msg) from None
        if url.drivername not in {"sqlite", "postgresql", "postgres", "postgresql+psycopg"}:
            msg = f"names the database {url.drivername!r}; use sqlite:///file or postgresql://user:password@host/name"
            raise ValueError(msg)
        if url.drivername == "sqlite" and url.database in {None, "", ":memory:"}:
            msg = (
                "names no file, and an in-memory database forgets orders; write sqlite:///var/orderwright.db"
            )
            raise ValueError(msg)
        return value

    @property
    def database(self) -> URL:
        """The store's address, parsed; its text form hides the password."""
        return make_url(self.database_url.get_secret_value())

    def channel(self, name: str) -> ChannelSettings:
        """The settings of one channel. Raises SettingsError that names the variable to set."""
        if name not in self.channels:
            known = ", ".join(sorted(self.channels)) or "none"
            remedy = f"set {variable('channels', name, 'vendor')} and its neighbours (docs/settings.md)"
            raise SettingsError([f"there is no channel {name!r} (known: {known}); {remedy}"])
        return self.channels[name]

    def require_erp(self) -> ErpSettings:
        """The ERP's settings. Raises SettingsError where they are missing."""
        if self.erp is None:
            first = variable("erp", "vendor")
            problem = f"no ERP is set; set {first}, URL, DATABASE, LOGIN and PASSWORD (docs/settings.md)"
            raise SettingsError([problem])
        return self.erp


def variable(*path: str) -> str:
    """The environment variable of a setting: ``variable("web", "port")`` is ``ORDERWRIGHT_WEB__PORT``."""
    return PREFIX + DELIMITER.join(path).upper()


def load_settings(env_file: Path | str | None = ".env") -> Settings:
    """Read the settings from the environment and, where it exists, ``env_file`` (the environment wins).

    Raises SettingsError with one sentence for every variable that is missing, unknown or wrong.
    """
    problems = list(_unknown_variables(env_file))
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        problems += [
            _explain(tuple(map(str, e["loc"])), e["type"], e["msg"])
            for e in error.errors(include_input=False)
        ]
    except SourceError as error:
        # A group was given as one variable; the message quotes the group and nothing of the value.
        group = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        problems.append(_explain((group,), "dict_type", ""))
    else:
        if not problems:
            return settings
    # "from None": the cause holds the values, and values may be secrets.
    raise SettingsError(problems) from None


def _explain(location: tuple[str, ...], kind: str, message: str) -> str:
    location = tuple(part for part in location if part != "[key]")
    name = variable(*location)
    if kind == "missing":
        return f"{name} is not set; set it in the environment or in .env (docs/settings.md)"
    if kind == "extra_forbidden":
        return f"{name} is not a setting{_suggest(name)}; see docs/settings.md"
    if kind in {"dict_type", "model_type"}:
        return f"{name} is a group; write one variable per setting, {name}__... (docs/settings.md)"
    reason = message.removeprefix("Value error, ")
    words = reason[:1].lower() + reason[1:]
    return f"{name}: {words}; correct it in the environment or in .env (docs/settings.md)"


def _unknown_variables(env_file: Path | str | None) -> Iterable[str]:
    """Top-level names that no setting has: a misspelled variable must not pass in silence."""
    given = set(os.environ) | (
        set(dotenv_values(env_file)) if env_file and Path(env_file).is_file() else set()
    )
    for name in sorted(given):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper.startswith(NOT_OURS):
            continue
        field = upper.removeprefix(PREFIX).split(DELIMITER)[0].lower()
        if field not in Settings.model_fields:
            yield f"{name} is not a setting{_suggest(upper)}; see docs/settings.md"


def _suggest(name: str) -> str:
    close = get_close_matches(name, [v for v, _ in every_variable()], n=1, cutoff=0.8)
    return f" (did you mean {close[0]}?)" if close else ""


GROUPS: tuple[tuple[tuple[str, ...], str, type[BaseModel]], ...] = (
    ((), "General", Settings),
    (("temporal",), "Temporal", TemporalSettings),
    (("channels", "<NAME>"), "Storefronts", ChannelSettings),
    (("erp",), "ERP", ErpSettings),
    (("web",), "Web", WebSettings),
    (("console",), "Console", ConsoleSettings),
    (("sweep",), "Sweep", SweepSettings),
    (("stock",), "Stock", StockSettings),
    (("log",), "Logging", LogSettings),
)
"""Path, title and model of every group of settings; a channel's name stands as ``<NAME>``."""


def variable_of(path: tuple[str, ...], name: str, field: FieldInfo) -> str:
    """The variable of a group's field; one that holds something by name stands with ``<NAME>``."""
    by_name = get_origin(field.annotation) is dict
    return variable(*path, name, "<NAME>") if by_name else variable(*path, name)


def every_variable() -> list[tuple[str, str]]:
    """Every setting as (variable, description), groups unfolded."""
    unfolded = {path[0] for path, _, _ in GROUPS if path}
    return [
        (variable_of(path, name, field), field.description or "")
        for path, _, group in GROUPS
        for name, field in group.model_fields.items()
        if path or name not in unfolded
    ]
