"""Who buys, and where to: plain records, kept as JSON in the store's database."""

from sandbox.store.record import Record


class AddressRecord(Record):
    """A postal address in the storefront's form; ``province`` and ``zip`` may be missing."""

    first_name: str = ""
    last_name: str = ""
    company: str | None = None
    address1: str = ""
    address2: str | None = None
    city: str = ""
    province: str | None = None
    province_code: str | None = None
    zip: str = ""
    country: str = ""
    country_code: str
    phone: str | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


class CustomerRecord(Record):
    """Who has an account."""

    id: int
    first_name: str
    last_name: str
    email: str | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


class CompanyRecord(Record):
    """A B2B buyer."""

    id: int
    location_id: int
    name: str
