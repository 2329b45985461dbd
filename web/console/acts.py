"""What can be decided on a page, as its buttons say it. The names are those of the messages and of ``CaseAct``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.case_guides import CaseAct


@dataclass(frozen=True)
class Act:
    """A button: what stands on it, what it does, and whether somebody has to say why."""

    name: str
    button: str
    does: str
    reason_needed: bool = False


def _by_name(*acts: Act) -> dict[str, Act]:
    return {act.name: act for act in acts}


ORDER_ACTS = _by_name(
    Act("resubmit", "Resubmit", "The cause is mended: the order is read again and goes on where it stopped."),
    Act("accept", "Accept the difference", "What differs stays as it is shown here, and nothing else.", True),
    Act("approve", "Approve", "The order goes to the ERP as it stands now.", True),
    Act("release", "Release", "The order goes on after its hold."),
    Act("wait_for_all", "Wait for all", "Nothing leaves until all of it is in stock."),
    Act("ship_what_is_there", "Ship what is there", "What is in stock leaves, the rest as it comes."),
    Act("cancel_rest", "Cancel the rest", "What is not in stock is canceled in both systems."),
    Act(
        "hold", "Hold", "The order stops before its next step. What the warehouse has of it can still leave."
    ),
    Act(
        "cancel",
        "Cancel",
        "What has not left is canceled in both systems: all of it, or the units named below. What is picked is "
        "canceled once the warehouse puts it back.",
    ),
    Act(
        "return",
        "Take goods back",
        "A return begins, or an exchange where the buyer gets something for it.",
        True,
    ),
)
RETURN_ACTS = _by_name(
    Act("approve", "Agree", "The buyer may send the goods; the warehouse is told to expect them."),
    Act(
        "inspect",
        "Inspect",
        "What becomes of each unit that came back: restocked, scrapped (credited, never sold again) or rejected "
        "(sent back, not credited). It is then credited and refunded.",
    ),
    Act("settle", "Settle what is back", "Missing goods are waited for no more."),
    Act("end", "End without goods", "The return is declined, or ended without goods, in both systems.", True),
    Act("resubmit", "Resubmit", "The cause is mended: the return goes on where it stopped."),
)
CASE_ACTS = _by_name(
    Act(
        CaseAct.RETRY, "Resubmit", "The cause is mended: all orders that wait are read again and go on.", True
    ),
    Act(
        CaseAct.MAP, "Map", "The missing entry is added to the mapping, and all orders that wait go on.", True
    ),
    Act(CaseAct.ACCEPT, "Accept", "What differs stays as each order shows it.", True),
    Act(CaseAct.APPROVE, "Approve", "All orders that wait go to the ERP as they stand.", True),
    Act(CaseAct.WAIT, "Wait for all", "All orders that wait do so until each is in stock whole.", True),
    Act(CaseAct.SHIP, "Ship what is there", "What is in stock leaves, the rest as it comes.", True),
    Act(CaseAct.CANCEL_REST, "Cancel the rest", "What is not in stock, or given up, is canceled.", True),
    Act(CaseAct.CANCEL, "Cancel", "All orders that wait are canceled in both systems.", True),
)


def possible(acts: Mapping[str, Act], names: Iterable[str]) -> tuple[Act, ...]:
    """Those of the acts that can be done, in the order of their page."""
    able = set(names)
    return tuple(act for name, act in acts.items() if name in able)
