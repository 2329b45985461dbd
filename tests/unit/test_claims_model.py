"""Units in flight against a simple model: an order, an ERP that has it or not, and readings that take their time."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import delete, select

from domain.claims import NO_CLAIMS, Claim, Held, OrderClaims
from domain.order import OrderKey
from domain.stock import ErpStock, StockReading
from store.claims import StockClaims, note_claims
from store.columns import Row
from store.database import Database
from store.stock import ErpStockBook
from store.stock_tables import StockClaimRow

KEY = OrderKey(channel="shop", external_id="5001")
ON_HAND = 50


@dataclass
class Model:
    """What is really so. ``allocated`` is what the ERP holds for the order now."""

    due: int = 0
    allocated: int = 0
    told: int = 0
    """The last number that the storefront's order was read with."""
    believed: tuple[int, int] = (0, 0)
    """Token of the newest reading that was kept, and what the ERP held for the order when it was read."""
    under_way: list[tuple[StockReading, int]] = field(default_factory=list)

    @property
    def unread(self) -> int:
        """Units that are due and that the numbers we go by do not hold."""
        return max(0, self.told - self.believed[1])


class Trial:
    """Does the same to the tables and to the model."""

    def __init__(self, db: Database) -> None:
        self.db, self.model = db, Model()
        self._book, self._claims = ErpStockBook(db), StockClaims(db)
        self._unnoted = False
        with db.write() as session:
            for table in reversed(Row.metadata.sorted_tables):
                session.execute(delete(table))
        self.read(0)
        self.buy(3)

    def buy(self, units: int) -> None:
        """The order is placed, or edited to so many units; and read from the storefront."""
        if self._unnoted:
            # An order's acts follow one another: what it gave the ERP is noted before it is read again.
            self.note(0)
        self.model.due = self.model.told = units
        self._note(claims=self._claim(units))

    def enter(self, units: int) -> None:
        """The ERP is given the order as it is; nobody has noted so yet."""
        del units
        self.model.allocated, self._unnoted = self.model.due, True

    def note(self, units: int) -> None:
        """The act that gave it is noted."""
        del units
        self._unnoted = False
        self._note(claims=self._claim(self.model.due), held=self._held())

    def submit(self, units: int) -> None:
        """Both."""
        self.enter(units)
        self.note(units)

    def read(self, units: int) -> None:
        """A reading from its beginning to its end."""
        self.begin_reading(units)
        self.keep_reading(len(self.model.under_way) - 1)

    def cancel(self, units: int) -> None:
        """It is canceled in the ERP; ``units`` says whether a reading begins and ends before that is noted."""
        self._claims.let_go(KEY)
        self.model.allocated = 0
        if units % 2:
            self.read(0)
        self.holds()
        self._note(held=())

    def give_up(self, units: int) -> None:
        """It is canceled in both."""
        self.cancel(units)
        self.model.due = self.model.told = 0
        with self.db.write() as session:
            note_claims(session, KEY, NO_CLAIMS)

    def begin_reading(self, units: int) -> None:
        """The ERP is asked for its stock; the answer is of this moment."""
        del units
        token, at = self._book.begin_reading()
        level = ErpStock(product="MUG", warehouse="EAST", on_hand=ON_HAND, allocated=self.model.allocated)
        self.model.under_way.append((StockReading(token=token, at=at, levels=(level,)), self.model.allocated))

    def keep_reading(self, units: int) -> None:
        """One of those that are under way is kept, in any order."""
        if self.model.under_way:
            reading, held = self.model.under_way.pop(units % len(self.model.under_way))
            self._book.keep_reading(reading)
            self.model.believed = max(self.model.believed, (reading.token, held))

    def holds(self) -> None:
        """Never less is in flight than is missing from the numbers that we go by."""
        assert self.in_flight >= self.model.unread

    @property
    def in_flight(self) -> int:
        with self.db.read() as session:
            return sum(row.awaiting + row.entering for row in session.exec(select(StockClaimRow)).all())

    def _claim(self, units: int) -> tuple[Claim, ...]:
        claim = Claim(sku="MUG", location="101", product="MUG", warehouse="EAST", due=units, open=units)
        return (claim,) if units else ()

    def _held(self) -> tuple[Held, ...]:
        units = self.model.allocated
        return (Held(sku="MUG", warehouse="EAST", quantity=units),) if units else ()

    def _note(self, claims: tuple[Claim, ...] | None = None, held: tuple[Held, ...] | None = None) -> None:
        with self.db.write() as session:
            note_claims(session, KEY, OrderClaims(claims=claims, held=held))


ACTS = ("submit", "buy", "enter", "note", "read", "cancel", "give_up", "begin_reading", "keep_reading")


@example([("submit", 0), ("buy", 0), ("enter", 0), ("buy", 1), ("read", 0)])
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 6)), max_size=14))
def test_never_less_is_in_flight_than_is_missing(sqlite_db: Database, acts: list[tuple[str, int]]) -> None:
    trial = Trial(sqlite_db)
    for act, units in acts:
        getattr(trial, act)(units)
        trial.holds()
    trial.note(0)
    trial.begin_reading(0)
    while trial.model.under_way:
        trial.keep_reading(-1)
        trial.holds()
    trial.read(0)
    assert trial.in_flight == trial.model.unread, "everything was read"
