"""The seeded database: built once for a seed, lock file and catalogue, then copied for every fresh ERP."""

import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sandbox import catalog
from sandbox.tryton.environment import LOCK, Say
from sandbox.tryton.progress import run_step, turn

CHANNEL: Final = "shop"
TAX_ROUNDING_PRODUCT: Final = "TAX-ROUNDING"
DATABASE: Final = "erp"
# Passwords of a database that holds invented data and listens on the loopback interface alone.
USERS: Final = {"orderwright": "sandbox-orderwright", "staff": "sandbox-warehouse"}
ADMINISTRATOR_PASSWORD: Final = "sandbox-administrator"  # noqa: S105
MODULES: Final = (
    "account_invoice_stock",
    "carrier",
    "product_kit",
    "product_price_list",
    "sale",
    "sale_amendment",
    "sale_discount",
    "sale_price_list",
    "sale_shipment_cost",
    "sale_stock_quantity",
    "stock_split",
    "web_shop",
)
"""What is activated; Tryton adds what these depend on."""
_SEED: Final = Path(__file__).with_name("seed.py")


def seed_content() -> dict[str, Any]:
    """The catalogue and the logins as the seed script reads them."""
    return {
        "company": "Orderwright Sandbox",
        "channel": CHANNEL,
        "currency": catalog.CURRENCY,
        "products": catalog.PRODUCTS,
        "kit": {
            "sku": catalog.KIT_SKU,
            "name": catalog.KIT_NAME,
            "price": catalog.KIT_PRICE,
            "components": catalog.KIT_COMPONENTS,
        },
        "shipping_product": catalog.SHIPPING_PRODUCT,
        "adjustment_product": catalog.ADJUSTMENT_PRODUCT,
        "fee_product": catalog.FEE_PRODUCT,
        "charge_products": catalog.CHARGE_PRODUCTS,
        "tax_rounding_product": TAX_ROUNDING_PRODUCT,
        "taxes": catalog.TAXES,
        "locations": catalog.LOCATIONS,
        "carriers": catalog.CARRIERS,
        "payment_methods": catalog.PAYMENT_METHODS,
        "companies": catalog.COMPANIES,
        "countries": catalog.COUNTRIES,
        "subdivisions": catalog.SUBDIVISIONS,
        "users": USERS,
    }


def prepare_template(state_dir: Path, python: Path, say: Say, *, stop: threading.Event | None = None) -> Path:
    """The seeded database file, built where it is missing. Raises PreparationFailed."""
    content = json.dumps(seed_content(), indent=1)
    # The fiscal year is laid around the current one, so a template serves until the year ends.
    year = str(datetime.now(UTC).year)
    parts = (
        _SEED.read_bytes(),
        LOCK.read_bytes(),
        content.encode(),
        " ".join(MODULES).encode(),
        year.encode(),
    )
    folder = state_dir / "template" / sha256(b"\0".join(parts)).hexdigest()[:16]
    ready = folder / f"{DATABASE}.sqlite"
    with turn(state_dir, say, stop):
        if ready.is_file():
            return ready
        say("building the ERP's seeded database (first use only)")
        building = folder.with_name(folder.name + ".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        _build(building, python, content, say, stop)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    return ready


def _build(folder: Path, python: Path, content: str, say: Say, stop: threading.Event | None) -> None:
    conf, catalogue, password = folder / "trytond.conf", folder / "catalog.json", folder / "password"
    write_conf(conf, folder)
    catalogue.write_text(content, encoding="utf-8")
    password.write_text(ADMINISTRATOR_PASSWORD + "\n", encoding="utf-8")
    database = folder / f"{DATABASE}.sqlite"
    database.touch()
    run_step(
        "ERP database",
        [str(python), str(_SEED), DATABASE, str(catalogue), *MODULES],
        say,
        env=tryton_environment() | {"TRYTOND_CONFIG": str(conf), "TRYTONPASSFILE": str(password)},
        stop=stop,
    )
    # One plain file is what gets copied: bring the write-ahead log in.
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in ("-wal", "-shm"):
        database.with_name(database.name + name).unlink(missing_ok=True)


def copy_template(template: Path, database: Path) -> None:
    """Put a fresh copy of the template at ``database``. No server may have it open."""
    database.parent.mkdir(parents=True, exist_ok=True)
    # A write-ahead log of the former database would be replayed into the new one.
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    arriving = database.with_name(database.name + ".new")
    shutil.copyfile(template, arriving)
    arriving.replace(database)


def write_conf(conf: Path, folder: Path) -> None:
    """Tryton's configuration for databases in ``folder``.

    A wrong password makes Tryton delay every later login of that user, twice as long each time, and then lock the
    user out, the right password included. Here it forgets a failure after ten seconds and delays by 3 seconds at most.
    """
    conf.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[session]\ntimeout = 10\nmax_attempt = 2\n",
        encoding="utf-8",
    )


def tryton_environment() -> dict[str, str]:
    """Our environment without what would steer Tryton or its interpreter elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRYTON", "PYTHON", "VIRTUAL_ENV")) and name != "DB_NAME"
    }
