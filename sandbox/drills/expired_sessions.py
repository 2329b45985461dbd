"""Logins run out in the middle of the work: at the ERP now and then, at the store for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.drills.carrying import carry, look_at_both, marks, some_orders, the_faults
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.faults.call_log import Call
from sandbox.faults.messages import LOGIN, READS, WRITES
from sandbox.faults.rules import Fault, Rule
from sandbox.house import House

PROBABILITY: Final = 0.1


@dataclass(frozen=True)
class ExpiredSessions:
    """Implements ``Drill``."""

    wish: Wish
    name = "expired-sessions"
    summary = "the login runs out in the middle of the work"
    ground = Ground.TRYTON

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        faults = the_faults(house)
        since = await marks(faults)
        await faults.set_rule("erp", sessions_expire(self.wish.seed))
        await faults.set_rule("store", TOKEN_REFUSED)
        count = self.wish.count(usual=16, quick=3)
        ids = await house.place(some_orders(count))
        log.did(f"{count} orders placed; one call in ten finds its session at the ERP gone")
        await carry(house, log, ids)
        for proxy in since:
            await faults.clear(proxy)
        await look_at_both(house, log, ids)
        check_renewed_once(log, "the ERP", await faults.log("erp", since["erp"]))


TOKEN_REFUSED: Final = Rule(fault=Fault.EXPIRE_SESSION, times=3)
"""For a storefront, which knows no login to renew: it looks away for a moment."""


def sessions_expire(seed: int) -> Rule:
    """One call in ten finds its session gone."""
    return Rule(fault=Fault.EXPIRE_SESSION, calls=f"{READS}|{WRITES}", probability=PROBABILITY, seed=seed)


def check_renewed_once(log: Log, system: str, calls: Sequence[Call]) -> None:
    """Sessions expired, and whoever found one gone did not log in beside all the others."""
    expired = sum(call.fault is Fault.EXPIRE_SESSION for call in calls)
    logins = sum(LOGIN in call.names for call in calls)
    log.number(f"sessions expired at {system}", expired)
    log.number(f"logins at {system}", logins)
    log.check(f"sessions expired indeed at {system}", expired > 0, f"{expired} calls")
    log.check(
        "a session is renewed once for all who share it",
        logins <= expired,
        f"{logins} logins after {expired} expired calls",
    )
