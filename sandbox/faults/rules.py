"""Which call goes wrong, and how: rules as data, and the book that says which of them strikes.

A pattern names calls: an operation (``CreateFulfillment``, ``model.sale.sale.create``), part of one with ``*``,
``reads`` or ``writes``, or several with ``|`` between them. What a call is named is the vendor's business.
"""

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import count
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from domain.model import Frozen


class Fault(StrEnum):
    """What can go wrong on the wire."""

    REFUSE = "refuse"
    """Nobody listens at the address; what is under way is cut. For all calls, until lifted."""
    CUT = "cut"
    """The connection is cut before the call arrives."""
    HANG = "hang"
    """The call never arrives, and nobody says so: the client has to give up by itself."""
    DROP_ANSWER = "drop-answer"
    """The call is done, its answer lost: the connection is cut."""
    LATE_ANSWER = "late-answer"
    """The call is done, its answer comes after the client gave up, or after ``seconds``."""
    RATE_LIMIT = "rate-limit"
    """429 with Retry-After ``retry_after``."""
    THROTTLE = "throttle"
    """The vendor's own way to say: ask again in ``retry_after`` seconds."""
    STATUS = "status"
    """Answer ``status``, as a gateway does."""
    EXPIRE_SESSION = "expire-session"
    """The vendor's own way to say: log in first."""
    BREAK_JSON = "break-json"
    """The call is done; a page for people comes instead of its answer."""
    TRUNCATE = "truncate"
    """The call is done; its answer is half of the JSON, as if that were all."""
    CUT_ANSWER = "cut-answer"
    """The call is done; the connection is cut in the middle of its answer."""
    ERROR_INSIDE = "error-inside"
    """200 with the vendor's error in it (``words``)."""
    DRIP = "drip"
    """The call is done; its answer comes in drops, over ``seconds``."""
    REWRITE = "rewrite"
    """The call is done; ``field`` of its answer holds ``value`` instead, or ``add`` more than it was."""


class Rule(Frozen):
    """One fault. Without ``nth``, ``times`` and ``probability`` it strikes every call until it is lifted."""

    calls: str = Field("*", min_length=1)
    fault: Fault
    nth: int | None = Field(None, ge=1)
    """Strike this matching call alone, counted from when the rule was set; 1 is the next one."""
    times: int | None = Field(None, ge=1)
    """Strike so many times, then be spent."""
    of_each_operation: bool = False
    """``nth`` and ``times`` count each operation apart."""
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0
    """The same seed and the same sequence of calls strike the same calls."""
    lasts: float | None = Field(None, gt=0)
    """Seconds after which the rule lifts itself, whoever forgot it; None: in force until it is lifted."""
    status: int = Field(503, ge=400, le=599)
    done: bool = False
    """The call is done all the same before an answer that says otherwise."""
    retry_after: float = Field(2.0, ge=0)
    """Seconds."""
    seconds: float = Field(30.0, gt=0)
    """How long at most to hold on to what is late."""
    words: str = ""
    """What the error inside says; empty: the vendor's usual one."""
    field: str = ""
    """The end of a path of names, such as ``totalPriceSet.shopMoney.amount``; places in lists do not count."""
    value: Any = None
    add: Decimal | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        counted = self.nth is not None or self.times is not None or self.probability < 1
        if self.fault is Fault.REFUSE and (self.calls != "*" or counted):
            msg = "refuse strikes before anybody knows which call it is: it goes for all calls, until lifted"
            raise ValueError(msg)
        if self.fault is Fault.REWRITE and (not self.field or (self.value is None) == (self.add is None)):
            msg = "rewrite needs a field, and either value or add"
            raise ValueError(msg)
        if self.nth is not None and self.times is not None:
            msg = "give nth (this one call) or times (the next so many), not both"
            raise ValueError(msg)
        return self

    def names(self, call: Sequence[str]) -> bool:
        """Whether the pattern means a call that goes by these names."""
        return any(fnmatchcase(name, part) for name in call for part in self.calls.split("|"))


class SetRule(Frozen):
    """A rule in force; ``struck`` counts the calls it spoiled."""

    id: int
    rule: Rule
    struck: int


class _InForce:
    def __init__(self, number: int, rule: Rule) -> None:
        self.id, self.rule, self.struck = number, rule, 0
        self._matched: Counter[str] = Counter()
        self._hit: Counter[str] = Counter()
        # A rule has dice of its own: others do not change what it does.
        self._dice = random.Random(rule.seed)  # noqa: S311  a drill, not a secret

    def strikes(self, call: Sequence[str]) -> bool:
        """Count a call that is meant; True when it is its turn."""
        rule = self.rule
        if not rule.names(call):
            return False
        kind = call[0] if rule.of_each_operation else ""
        self._matched[kind] += 1
        turn = rule.nth is None or self._matched[kind] == rule.nth
        left = rule.times is None or self._hit[kind] < rule.times
        if not (turn and left and (rule.probability >= 1 or self._dice.random() < rule.probability)):
            return False
        self._hit[kind] += 1
        return True

    @property
    def spent(self) -> bool:
        rule = self.rule
        if rule.of_each_operation:
            return False
        passed = rule.nth is not None and self._matched[""] >= rule.nth
        return passed or (rule.times is not None and self._hit[""] >= rule.times)


class RuleBook:
    """The rules of one proxy, oldest first."""

    def __init__(self) -> None:
        self._in_force: list[_InForce] = []
        self._ids = count(1)

    @property
    def refuses(self) -> bool:
        """Whether nobody is to listen."""
        return any(each.rule.fault is Fault.REFUSE for each in self._in_force)

    def add(self, rule: Rule) -> int:
        """Put a rule in force; returns its id."""
        number = next(self._ids)
        self._in_force.append(_InForce(number, rule))
        return number

    def lift(self, number: int) -> None:
        """Take a rule out of force; one that is spent or unknown is none already."""
        self._in_force = [each for each in self._in_force if each.id != number]

    def clear(self) -> None:
        """Take all rules out of force."""
        self._in_force = []

    def strike(self, call: Sequence[str]) -> Rule | None:
        """The rule that spoils a call that goes by these names. Of several the one set first is obeyed."""
        striking = [each for each in self._in_force if each.strikes(call)]
        self._in_force = [each for each in self._in_force if not each.spent]
        if not striking:
            return None
        striking[0].struck += 1
        return striking[0].rule

    def listed(self) -> tuple[SetRule, ...]:
        """The rules in force."""
        return tuple(SetRule(id=each.id, rule=each.rule, struck=each.struck) for each in self._in_force)
