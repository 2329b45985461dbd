"""The columns of the wire's fault matrix as rules, and one spoiled connection between an adapter and its system."""

import inspect
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from adapters.errors import AdapterError
from adapters.ports import ErpPort, StorefrontPort
from sandbox.faults.messages import LOGIN, READS, WRITES
from sandbox.faults.proxy import Proxy
from sandbox.faults.rules import Fault, Rule
from tests.chaos.calls import OF_NO_ORDER, TELLING_AMOUNTS, WITHOUT_CURRENCY, Call, order_concerned
from tests.chaos.lives import told_errors

Port = StorefrontPort | ErpPort
TOTALS = {
    "storefront": "currentTotalPriceSet.shopMoney.amount",
    "storefront.capture_payment": "amountSet.shopMoney.amount",
    "storefront.quote_refund": "suggestedRefund.totalTaxSet.shopMoney.amount",
    "storefront.refund_order": "totalRefundedSet.presentmentMoney.amount",
    "erp": "total_amount",
}
CURRENCIES = {"storefront": "order.currencyCode", "erp": "currency..code"}
WIRE_FAULTS: Mapping[str, dict[str, Any]] = {
    "refuse": {"fault": Fault.REFUSE},
    "cut": {"fault": Fault.CUT},
    "hang": {"fault": Fault.HANG, "seconds": 60.0},
    "drop-answer": {"fault": Fault.DROP_ANSWER},
    "drop-answer, twice": {"fault": Fault.DROP_ANSWER, "times": 2},
    "late-answer": {"fault": Fault.LATE_ANSWER, "seconds": 60.0},
    "cut-answer": {"fault": Fault.CUT_ANSWER},
    "drip": {"fault": Fault.DRIP, "seconds": 1.5},
    "rate-limit": {"fault": Fault.RATE_LIMIT},
    "throttle": {"fault": Fault.THROTTLE},
    "500": {"fault": Fault.STATUS, "status": 500},
    "502, done": {"fault": Fault.STATUS, "status": 502, "done": True},
    "503": {"fault": Fault.STATUS, "status": 503},
    "expire-session": {"fault": Fault.EXPIRE_SESSION},
    "error-inside": {"fault": Fault.ERROR_INSIDE},
    "break-json": {"fault": Fault.BREAK_JSON},
    "truncate": {"fault": Fault.TRUNCATE},
    "wrong total": {"fault": Fault.REWRITE, "add": Decimal("0.01")},
    "wrong currency": {"fault": Fault.REWRITE, "value": "EUR"},
}
"""What a cell's rule says besides which calls it means; without ``times`` one call is spoiled."""
AIMED_AT = {"erp.credit_return": "model.sale.sale.create|model.account.invoice.post"}
"""Writes of a call of many, by the vendor's names: those that would give money back a second time."""
_UNCOUNTED = frozenset({Fault.REFUSE, Fault.REWRITE})
"""In force while the port's call lasts."""
ASKED_TO_WAIT = 2.0
"""Seconds."""
ROUNDS = 2
"""A call that an order needs several times is spoiled the first so many times."""


def applies(call: Call, column: str) -> bool:
    """Whether the call's answer holds what the fault would tell wrong."""
    if WIRE_FAULTS[column]["fault"] is not Fault.REWRITE:
        return True
    if column == "wrong currency" and call.operation in WITHOUT_CURRENCY:
        return False
    return call.operation in TELLING_AMOUNTS


def rule_of(call: Call, column: str) -> Rule:
    """The rule that spoils a port's call: its first write where it writes (or is aimed at), else its first reading."""
    told = dict(WIRE_FAULTS[column])
    fault = told["fault"]
    if fault is Fault.REWRITE:
        fields = TOTALS if column == "wrong total" else CURRENCIES
        told["field"] = fields.get(str(call), fields[call.system])
    if fault in _UNCOUNTED:
        return Rule(calls="*" if fault is Fault.REFUSE else f"{READS}|{WRITES}", **told)
    calls = AIMED_AT.get(str(call), WRITES if call.writes else READS)
    return Rule(calls=calls, **{"times": 1, "retry_after": ASKED_TO_WAIT, **told})


class Line:
    """An adapter that speaks through a proxy of its own, and the one call of it that goes wrong."""

    def __init__(self, call: Call, column: str, proxy: Proxy, port: Port) -> None:
        self.call, self.column, self.proxy, self.port = call, column, proxy, port
        self.met: list[AdapterError] = []
        self.well = False
        """A call has gone well after the fault, or in spite of it."""
        self._set: int | None = None
        self._rounds = 0

    @property
    def struck(self) -> int:
        """How many calls the rule has spoiled; where nobody listens there is none to count."""
        if WIRE_FAULTS[self.column]["fault"] is Fault.REFUSE:
            return self._rounds
        return sum(self.proxy.log.counts().by_fault.values())

    def told(self) -> str:
        """What came of the fault, in the words of the table."""
        return told_errors(self.met) if self.met else self.told_inside()

    def told_inside(self) -> str:
        """What the adapter did by itself, where its caller met no error; read from what reached the proxy."""
        calls = self.proxy.log.after(0)
        later = calls[1 + next((place for place, each in enumerate(calls) if each.fault), len(calls)) :]
        # Tryton wants a fresh login for a posting, whatever else goes wrong.
        expired = WIRE_FAULTS[self.column]["fault"] is Fault.EXPIRE_SESSION
        if expired and any(LOGIN in each.names for each in later):
            return "logged in again"
        return "waited as told" if self.asked_to_wait else "carried on"

    @property
    def asked_to_wait(self) -> bool:
        """Whether the fault tells the client how long to wait."""
        return WIRE_FAULTS[self.column]["fault"] in {Fault.RATE_LIMIT, Fault.THROTTLE}

    def assert_waited_as_told(self) -> None:
        """No call reached the system before the time it had asked for."""
        calls = self.proxy.log.after(0)
        for call, following in pairwise(calls):
            assert not call.fault or (following.at - call.at).total_seconds() >= ASKED_TO_WAIT, (
                call,
                following,
            )

    async def do(self, operation: str, arguments: tuple[Any, ...]) -> Any:
        """Do a call of the port; spoil it where it is the one."""
        method = getattr(self.port, operation)
        if operation != self.call.operation:
            return await method(*arguments)
        before = self.struck
        await self._spoil()
        try:
            answer = await method(*arguments)
        except AdapterError as error:
            if self.struck > before:
                self.met.append(error)
            raise
        else:
            self.well = self.struck > 0
            return answer
        finally:
            await self._mend()

    async def _spoil(self) -> None:
        """Put the rule in force at the start of each of the first rounds."""
        if self._set is None and self._rounds < ROUNDS:
            self._rounds += 1
            self._set = await self.proxy.set_rule(rule_of(self.call, self.column))

    async def _mend(self) -> None:
        """What counts by itself stays until it is spent, the rest lasts as long as the call."""
        spent = self._set not in {each.id for each in self.proxy.rules}
        if self._set is not None and (spent or WIRE_FAULTS[self.column]["fault"] in _UNCOUNTED):
            await self.proxy.lift(self._set)
            self._set = None


class ByOrder:
    """A port that takes each order's calls through the order's own line, and all others the usual way.

    Of several lines of an order each takes the call that goes wrong on it, and the first one all that go well.
    """

    def __init__(self, usual: Port) -> None:
        self._usual = usual
        self.lines: dict[str, tuple[Line, ...]] = {}
        self.feed: Line | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._usual, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any) -> Any:
            line = self.feed if name == "changes" else None
            if name not in OF_NO_ORDER:
                lines = self.lines.get(order_concerned(arguments) or "", ())
                line = next((each for each in lines if each.call.operation == name), next(iter(lines), None))
            return await (line.do(name, arguments) if line else method(*arguments))

        return call
