"""Where the parts of a stack listen, and what the application is told of it."""

from dataclasses import dataclass

CHANNEL = "shop"
OPERATOR = "ops"
"""Who may use the console of a stack."""


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen, and what it takes to get in; written to ``stack.json`` for other terminals.

    ``erp`` and ``store`` are the systems themselves, as their own people reach them; the application reaches them at
    ``erp_seen`` and ``store_seen``, which are proxies where the stack has them.
    """

    temporal: str
    temporal_ui: str
    webhooks: str
    erp: str
    erp_database: str
    erp_login: str
    erp_password: str
    staff_login: str
    staff_password: str
    store: str
    store_token: str
    webhook_secret: str
    database_url: str
    erp_seen: str
    store_seen: str
    erp_vendor: str = "tryton"
    erp_reserves: bool = False
    """Stock is reserved as orders come in, and what is not there is told."""
    faults: str = ""
    """Control address of the proxies; empty where there are none."""
    mapping: str = "shopify-tryton"
    """Name or path of the mapping file."""
    console: str = ""
    """Where people see orders and decide about them; empty where the stack has no console."""
    console_password: str = ""
    """Of the person ``OPERATOR``."""

    def environment(self) -> dict[str, str]:
        """The settings of the application for this stack."""
        channel = f"ORDERWRIGHT_CHANNELS__{CHANNEL.upper()}__"
        return {
            "ORDERWRIGHT_DATABASE_URL": self.database_url,
            "ORDERWRIGHT_TEMPORAL__ADDRESS": self.temporal,
            "ORDERWRIGHT_TEMPORAL__UI_URL": self.temporal_ui,
            "ORDERWRIGHT_FEED_INTERVAL_SECONDS": "1",
            "ORDERWRIGHT_WEB__PORT": self.webhooks.rsplit(":", 1)[1].split("/")[0],
            "ORDERWRIGHT_ERP__VENDOR": self.erp_vendor,
            "ORDERWRIGHT_ERP__URL": self.erp_seen,
            "ORDERWRIGHT_ERP__DATABASE": self.erp_database,
            "ORDERWRIGHT_ERP__LOGIN": self.erp_login,
            "ORDERWRIGHT_ERP__PASSWORD": self.erp_password,
            f"{channel}VENDOR": "shopify",
            f"{channel}URL": self.store_seen,
            f"{channel}ACCESS_TOKEN": self.store_token,
            f"{channel}WEBHOOK_SECRET": self.webhook_secret,
            f"{channel}MAPPING": self.mapping,
            # Older code, as an upgrade starts it too, knows nothing of it.
            **({"ORDERWRIGHT_ERP__RESERVE": "true"} if self.erp_reserves else {}),
            # Where things go wrong on purpose, somebody waits for what the sweep finds.
            **({"ORDERWRIGHT_SWEEP__GRACE_MINUTES": "0"} if self.faults else {}),
            **self._of_console(),
        }

    def _of_console(self) -> dict[str, str]:
        if not self.console:
            return {}
        return {
            "ORDERWRIGHT_CONSOLE__PORT": port_of(self.console),
            f"ORDERWRIGHT_CONSOLE__USERS__{OPERATOR.upper()}": self.console_password,
        }


def port_of(address: str) -> str:
    """The port of an address that ends in one."""
    return address.rsplit(":", 1)[1]
