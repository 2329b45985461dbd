"""Which drills there are."""

from collections.abc import Callable, Mapping
from typing import Final

from sandbox.drills.crash import PARTS, Crash
from sandbox.drills.drill import Drill, Ground, Simulation, Wish
from sandbox.drills.duplicates import Duplicates
from sandbox.drills.erp_down import ErpDown
from sandbox.drills.expired_sessions import ExpiredSessions
from sandbox.drills.lost_answers import LostAnswers
from sandbox.drills.missed_webhooks import MissedWebhooks
from sandbox.drills.one_cent_tax import OneCentTax
from sandbox.drills.oversell import Oversell
from sandbox.drills.shuffle import Shuffle
from sandbox.drills.storefront_down import StorefrontDown
from sandbox.drills.throttle import Throttle
from sandbox.drills.unknown_sku import UnknownSku
from sandbox.drills.upgrade import Upgrade

DRILLS: Final[Mapping[str, Callable[[Wish], Drill | Simulation]]] = {
    "erp-down": ErpDown,
    "storefront-down": StorefrontDown,
    "lost-answers": LostAnswers,
    "duplicates": Duplicates,
    "shuffle": Shuffle,
    "expired-sessions": ExpiredSessions,
    "throttle": Throttle,
    "one-cent-tax": OneCentTax,
    "unknown-sku": UnknownSku,
    "missed-webhooks": MissedWebhooks,
    "upgrade": Upgrade,
    "oversell": Oversell,
}


def crash(part: str, wish: Wish) -> Drill:
    """The crash of one part, or of any; the ERP that is killed alone is the real one."""
    return Crash(wish, part, Ground.TRYTON if part == "erp" else Ground.MEMORY)


def every_drill(wish: Wish) -> list[Drill | Simulation]:
    """All of them, each in its usual or quick size."""
    return [*(make(wish) for make in DRILLS.values()), *(crash(part, wish) for part in PARTS)]
