"""The groups of a deployment's settings: what can be set, its bounds, and how ``docs/settings.md`` explains it.

``config.settings`` reads them from the environment.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
)

from domain.cases import NOBODY
from domain.connection import ERP_SYSTEM

MOST_SHARDS = 16
"""Workflows that share a channel's SKUs at most."""

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
"""Address of an HTTP server, with its scheme and without a slash at the end."""
HostPort = Annotated[str, StringConstraints(pattern=r"^[^\s/:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$")]


def _never(name: str, because: str) -> AfterValidator:
    """Refuses one name; ``because`` says what it stands for, and what to take instead."""

    def check(value: str) -> str:
        if value == name:
            msg = f"{name!r} {because}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


ChannelName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40),
    _never(ERP_SYSTEM, "is the name of the ERP's own connection; give the channel another name"),
]


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


PersonName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*([._-][a-z0-9]+)*$", max_length=40),
    _never(NOBODY, "stands for somebody who gave no name; take the person's own"),
]
"""Who somebody is in stories and in cases."""


class ConsoleSettings(Group):
    """The console: pages on which operations people see orders, cases and returns, and decide about them."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8081, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    users: dict[PersonName, Annotated[SecretStr, Field(min_length=12)]] = Field(
        default_factory=dict,
        description="Who may use it: one variable a person, such as `ORDERWRIGHT_CONSOLE__USERS__ANNA`, with their "
        "password of 12 characters or more. Stories and cases name them by it. Without any the console does not start.",
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
