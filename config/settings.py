"""Settings of a deployment: everything comes from the environment and ``.env``, prefix ``ORDERWRIGHT_``.

Groups nest by two underscores: ``ORDERWRIGHT_WEB__PORT`` is ``Settings.web.port``. Secrets are ``SecretStr``,
so that they never show in a log, a history or an error. Each setting is explained in ``docs/settings.md``; a
test holds that.
"""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.connection import ERP_SYSTEM

PREFIX = "ORDERWRIGHT_"
DELIMITER = "__"
NOT_OURS = ("ORDERWRIGHT_TEST_", "ORDERWRIGHT_SANDBOX_")
"""Names that start like ours but belong to the test run and the sandbox."""

MOST_SHARDS = 16
"""Workflows that share a channel's SKUs at most."""

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
"""Address of an HTTP server, with its scheme and without a slash at the end."""
HostPort = Annotated[str, StringConstraints(pattern=r"^[^\s/:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$")]


def _no_system_name(value: str) -> str:
    if value == ERP_SYSTEM:
        msg = f"{ERP_SYSTEM!r} is the name of the ERP's own connection; give the channel another name"
        raise ValueError(msg)
    return value


ChannelName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40),
    AfterValidator(_no_system_name),
]


class SettingsError(Exception):
    """The settings cannot be used. ``problems``: one sentence each, naming the variable and the remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Group(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StorefrontVendor(StrEnum):
    """Storefronts that there is an adapter for."""

    SHOPIFY = "shopify"
    MEMORY = "memory"


class ErpVendor(StrEnum):
    """ERPs that there is an adapter for."""

    TRYTON = "tryton"
    MEMORY = "memory"
    MEMORY_SERVER = "memory_server"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


class TemporalSettings(Group):
    """Where the Temporal server is and how to get in."""

    address: HostPort = Field("127.0.0.1:7233", description="Host and port of the Temporal frontend.")
    namespace: str = Field("default", min_length=1, description="Namespace that holds the order workflows.")
    profile: str | None = Field(
        None,
        description="Profile of Temporal's own configuration file (`temporal.toml`) to connect with, for "
        "Temporal Cloud or a cluster with client certificates. Where it is set, it replaces `address`, "
        "`namespace`, `tls` and `api_key`.",
    )
    tls: bool = Field(False, description="Connect by TLS with the system's certificate authorities.")
    api_key: SecretStr | None = Field(None, description="API key of Temporal Cloud. Implies TLS.")
    build_id: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Version of the code that this worker runs, such as a release or a commit. Where it is set, "
        "workers of several versions may run side by side, and `orderwright worker --promote` says which one "
        "carries the orders (docs/upgrades.md).",
    )
    cached_orders: int = Field(
        1_000,
        ge=1,
        description="Orders that a worker keeps in memory between two of their steps. One that is not kept is replayed "
        "from its history when something happens to it: slower, and the same.",
    )
    ui_url: Address | None = Field(
        None,
        description="Address of the Temporal UI, for links that people can follow, such as `http://127.0.0.1:8233`.",
    )


class ChannelSettings(Group):
    """One storefront. The channel's name is part of every order's id: never rename one that has orders."""

    vendor: StorefrontVendor = Field(
        description="Kind of storefront: `shopify`, or `memory` for trials in one process, which keeps nothing."
    )
    url: Address = Field(description="Address of the store, such as `https://brand.myshopify.com`.")
    access_token: SecretStr = Field(
        min_length=1, description="Admin API access token of our app in this store."
    )
    webhook_secret: SecretStr = Field(
        min_length=1, description="Secret that the store signs its webhooks with."
    )
    mapping: str = Field(
        "shopify-tryton",
        min_length=1,
        description="Mapping file: the name of a file in `config/mappings/` without `.toml`, or a path that "
        "ends in `.toml`.",
    )
    steps_per_second: float | None = Field(
        None,
        gt=0,
        description="At most so many order steps (one or a few calls each) a second go to this store, from all workers "
        "together; the Temporal server holds it. Without it, as many as it answers.",
    )

    @field_validator("url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")


class ErpSettings(Group):
    """The ERP."""

    vendor: ErpVendor = Field(
        description="Kind of ERP: `tryton`; for trials also `memory` (in one process, keeps nothing) and "
        "`memory_server` (the sandbox's, in a process of its own)."
    )
    url: Address = Field(description="Address of the ERP's server, such as `https://erp.example.com`.")
    database: str = Field(min_length=1, description="Database in the ERP.")
    login: str = Field(min_length=1, description="User that orders are entered as.")
    password: SecretStr = Field(min_length=1, description="Password of that user.")
    concurrent_orders: bool = Field(
        False,
        description="Write several orders at once from one worker. Only for an ERP on PostgreSQL: on SQLite "
        "parallel confirmations make double invoices.",
    )
    backorder: bool = Field(
        True,
        description="Take orders that stock does not cover; false stops them for a person.",
    )
    reserve: bool = Field(
        False,
        description="Reserve stock as soon as an order is entered, and tell which units are not there. Needed for any "
        "rule of `[backorders]` in a mapping but the default. For `tryton`.",
    )
    steps_per_second: float | None = Field(
        None,
        gt=0,
        description="At most so many order steps (one or a few calls each) a second go to the ERP, from all workers "
        "together; the Temporal server holds it. Without it, as many as it answers.",
    )

    @field_validator("url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")


class WebSettings(Group):
    """The web process: webhook ingress, health, and the dispatcher that hands webhooks to Temporal."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: int = Field(
        5_242_880, ge=1024, description="Largest webhook body, in bytes; a larger one is refused with 413."
    )
    keep_webhooks_days: int = Field(
        30,
        ge=1,
        description="Days that a webhook's body (names and addresses in it) is kept after it was handed over.",
    )


class SweepSettings(Group):
    """The sweep that counts orders on both sides, and the alarm on silent channels."""

    interval_minutes: float = Field(60, gt=0, le=1440, description="Minutes between two sweeps of a channel.")
    overlap_minutes: float = Field(
        120,
        ge=0,
        description="Minutes that a sweep looks back before the last one: longer than a store's list of orders may "
        "lag behind.",
    )
    grace_minutes: float = Field(
        15,
        ge=0,
        description="Minutes that an order, a shipment or a cancel may be on its way before the sweep repairs it.",
    )
    silence_minutes: float = Field(
        5, gt=0, le=60, description="Minutes between two looks whether a channel's webhooks stay away."
    )


class StockSettings(Group):
    """Stock, of the channels whose mapping says `push = true` in `[stock]`."""

    feed_interval_seconds: float = Field(
        1.0,
        gt=0,
        le=3600,
        description="Pause between two looks at what changed in the ERP's stock, in seconds.",
    )
    shards: int = Field(
        1,
        ge=1,
        le=MOST_SHARDS,
        description="Workflows that share the SKUs of a channel. More than one pays where a storefront answers slowly "
        "and very much is sold.",
    )
    compare_at_hour: int = Field(
        2,
        ge=0,
        le=23,
        description="Hour of the day, in UTC, at which all that a storefront shows is compared with what can be sold.",
    )


class LogSettings(Group):
    """Logging, to standard error."""

    level: LogLevel = Field(
        LogLevel.INFO, description="Least severe entries shown: `debug`, `info`, `warning` or `error`."
    )
    format: LogFormat = Field(
        LogFormat.TEXT, description="`text` for people, `json` (one object a line) for machines."
    )


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
    (("sweep",), "Sweep", SweepSettings),
    (("stock",), "Stock", StockSettings),
    (("log",), "Logging", LogSettings),
)
"""Path, title and model of every group of settings; a channel's name stands as ``<NAME>``."""


def every_variable() -> list[tuple[str, str]]:
    """Every setting as (variable, description), groups unfolded."""
    unfolded = {path[0] for path, _, _ in GROUPS if path}
    return [
        (variable(*path, name), field.description or "")
        for path, _, group in GROUPS
        for name, field in group.model_fields.items()
        if path or name not in unfolded
    ]
