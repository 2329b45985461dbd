"""Whether an outside system answers, as one fact for the whole deployment, and how people are told of it."""

from datetime import UTC, datetime
from enum import StrEnum

from domain.model import Frozen, Instant

ERP_SYSTEM = "erp"
"""Name of the ERP's connection; a storefront's is the name of its channel."""


class ConnectionState(StrEnum):
    """``away``: nothing is asked of the system but one probe every few seconds."""

    UP = "up"
    AWAY = "away"


class Connection(Frozen):
    """One outside system. ``since`` is the beginning of the present state."""

    system: str
    state: ConnectionState
    since: Instant
    reason: str = ""
    """Why it is away, in the words of the call that found out; empty while it is up."""
    next_probe_at: Instant | None = None
    """When it is asked again; None while it is up."""

    @property
    def away(self) -> bool:
        """Whether calls wait."""
        return self.state is ConnectionState.AWAY

    def sentence(self, now: datetime) -> str:
        """``the ERP is away since 10:42 UTC (cannot be reached), next probe in 5 s``."""
        since = _clock_time(self.since, now)
        if not self.away:
            return f"{called(self.system)} answers, since {since}"
        probe = "now"
        if self.next_probe_at is not None and self.next_probe_at > now:
            probe = f"in {max(1, round((self.next_probe_at - now).total_seconds()))} s"
        why = f" ({self.reason})" if self.reason else ""
        return f"{called(self.system)} is away since {since}{why}, next probe {probe}"


def called(system: str) -> str:
    """What people call a system: ``the ERP``, ``the storefront shop``."""
    return "the ERP" if system == ERP_SYSTEM else f"the storefront {system}"


def _clock_time(moment: datetime, now: datetime) -> str:
    """The time, with its date where that is not today's; always UTC."""
    utc = moment.astimezone(UTC)
    form = "%H:%M" if utc.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M"
    return f"{utc:{form}} UTC"
