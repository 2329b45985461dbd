"""Logins run out in the middle of the work: at the ERP now and then, at the store for a while."""

from dataclasses import dataclass
from typing import Final

from sandbox.drills.carrying import carry, look_at_both, marks, some_orders, spoiled, the_faults
from sandbox.drills.drill import Ground, Log, Wish
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
        expiring = Rule(
            fault=Fault.EXPIRE_SESSION,
            calls=f"{READS}|{WRITES}",
            probability=PROBABILITY,
            seed=self.wish.seed,
        )
        await faults.set_rule("erp", expiring)
        await faults.set_rule("store", Rule(fault=Fault.EXPIRE_SESSION, times=3))
        count = self.wish.count(usual=16, quick=3)
        ids = await house.place(some_orders(count))
        log.did(f"{count} orders placed; one call in ten finds its session at the ERP gone")
        await carry(house, log, ids)
        for proxy in since:
            await faults.clear(proxy)
        await look_at_both(house, log, ids)
        expired = (await spoiled(faults, "erp", since["erp"]))[Fault.EXPIRE_SESSION]
        logins = sum(LOGIN in call.names for call in await faults.log("erp", since["erp"]))
        log.number("sessions expired at the ERP", expired)
        log.number("logins", logins)
        log.check("sessions expired indeed", expired > 0, f"{expired} calls")
        log.check(
            "a session is renewed once for all who share it",
            logins <= expired,
            f"{logins} logins after {expired} expired calls",
        )
