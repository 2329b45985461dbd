"""Every payload of a return's workflow, and its own serialisable state."""

from decimal import Decimal

from pydantic import Field

from activities.return_contracts import ReturnCredited, ReturnRefunded
from domain.erp_order import ErpReturn
from domain.model import Amount, Frozen, Instant, Quantity
from domain.order import OrderKey
from domain.return_rules import ReturnRules
from domain.returns import Disposition
from workflows.messages import CancelRequest, OperatorMessage, Problem, Remembered, ReturnWish

RETURN_WORKFLOW = "ReturnWorkflow"
ERP_RETURN_CHANGED = "erp_return_changed"
"""Signal to a return: what the ERP holds of it now; its payload is an ``ErpReturn``."""
STOREFRONT_RETURN_CHANGED = "storefront_return_changed"
"""Signal to a return: where it stands in the storefront; its payload is a ``ReturnStatus``."""
RETURN_NEWS = "return_news"
"""Signal from a return to its order; its payload is ``ReturnNews``."""


def return_workflow_id(key: OrderKey, return_id: str) -> str:
    """Id of the workflow that carries a return."""
    return f"return:{key.channel}:{key.external_id}:{return_id}"


class Inspection(OperatorMessage):
    """Body of ``inspect``: of each line, how many units become what; what is not named is not there."""

    lines: dict[str, dict[Disposition, Quantity]]


class ReturnState(Remembered):
    """All that a return remembers."""

    wish: ReturnWish
    rules: ReturnRules
    mapping_version: str
    """Its order's; empty once it was resubmitted: then the one in force."""
    order_number: str
    names: dict[str, str]
    opened_at: Instant | None = None
    agreed: bool = False
    erp: ErpReturn | None = None
    reminded: int = 0
    """How often it was told that the goods are still to come."""
    goods_awaited: bool = True
    """False once a person or the expiry said to settle what is there."""
    verdicts: dict[str, dict[Disposition, Quantity]] = Field(default_factory=dict)
    """Line -> what becomes of how many units; empty before somebody, or the rule, said it."""
    settling: bool = False
    """The ERP is being told what becomes of the goods: nobody can say otherwise before it has answered."""
    released: bool = False
    """What the buyer gets in exchange is on the order."""
    told_released: bool = False
    credited: ReturnCredited | None = None
    refunded: ReturnRefunded | None = None
    refund_stopped: bool = False
    """The ERP has credited it and its refund stopped; ``credited`` is None while the money is worked out anew."""
    by_hand: bool = False
    """Credited in the ERP, and a person gave the money back: it ends without a refund of ours."""
    give_up: CancelRequest | None = None
    """Somebody, or the expiry, ends it without goods."""
    end_refused: CancelRequest | None = None
    """The problem is that a system refused to end it; ``resubmit`` asks for it again."""
    problem: Problem | None = None
    ended: str | None = None
    """Set once: how, in words."""
    was_stopped: bool = False
    """A problem came, and nothing was done since."""
    told_problem: str = ""
    """The cause of the problem that the order was told of last; empty for none."""


class ReturnStart(Frozen):
    """Input of ``ReturnWorkflow``; ``state`` is set by continue-as-new only."""

    key: OrderKey
    wish: ReturnWish
    rules: ReturnRules
    mapping_version: str
    order_number: str
    names: dict[str, str]
    """Line -> what people call it."""
    state: ReturnState | None = None


class ReturnNews(Frozen):
    """What an order hears of its return."""

    return_id: str
    text: str
    """A sentence for the order's story; empty where nothing is to be told."""
    problem: Problem | None = None
    ended: bool = False
    order_changed: bool = False
    """The storefront's order holds what the buyer gets in exchange, or is worth less for what came back."""
    back: dict[str, Quantity] = Field(default_factory=dict)
    """Line -> units that were credited and refunded."""
    given_back: Amount = Decimal(0)
    """Money that went back, and the fee, in the buyer's currency."""
    fee: Amount = Decimal(0)
    """Of that, the fee."""


class ReturnLine(Frozen):
    """A line of a return: how many units are wanted back, how many are, and what becomes of them."""

    line_id: str
    name: str
    """What people call it: its SKU, or its title."""
    wanted: Quantity
    received: Quantity
    verdicts: dict[Disposition, Quantity] = Field(default_factory=dict)


class ReturnView(Frozen):
    """Answer of the query ``status``: the return in plain words."""

    key: OrderKey
    return_id: str
    number: str
    sentence: str
    waiting_for: str
    waits_on: str | None = None
    """The outside system whose answer the return waits for: ``erp`` or its channel."""
    can_do: tuple[str, ...]
    lines: tuple[ReturnLine, ...] = ()
    problem: Problem | None
    ended: bool


class ReturnResult(Frozen):
    """How the return ended."""

    text: str
    back: dict[str, Quantity]
