"""Builds and seeds the ERP's database. Runs in Tryton's own environment: it imports nothing of this project.

Usage: ``python seed.py DATABASE CATALOG_JSON MODULE...`` with TRYTOND_CONFIG set, and TRYTONPASSFILE naming the file
with the administrator's password. The database file must exist and be empty.
Prints one line a step, so that whoever started it can show progress.
"""

import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model, Wizard
from proteus import config as proteus_config
from trytond.admin import run as run_admin
from trytond.commandline import get_parser_admin
from trytond.pool import Pool

# What a sale may do in the name of the application: sales and their shipments, parties, reading the books.
APPLICATION_GROUPS = (
    ("sale", "group_sale_admin"),
    ("sale_stock_quantity", "group_sale_stock_quantity"),
    ("sale_amendment", "group_sale_amendment"),
    ("stock", "group_stock"),
    ("stock", "group_stock_cancellation"),
    ("account", "group_account"),
)
# Warehouse and back office: ship, invoice, close a period, take a product out of sale.
STAFF_GROUPS = (
    ("sale", "group_sale_admin"),
    ("stock", "group_stock_admin"),
    ("stock", "group_stock_cancellation"),
    ("account", "group_account_admin"),
    ("product", "group_product_admin"),
    ("party", "group_party_admin"),
)

INVOICE_FORM = """{% for invoice in records %}\
Invoice ${invoice.number} of ${invoice.invoice_date} to ${invoice.party.rec_name}
{% for line in invoice.lines %}\
${line.quantity or ''} ${line.product.code if line.product else ''} ${line.amount}
{% end %}\
${invoice.untaxed_amount} + ${invoice.tax_amount} tax = ${invoice.total_amount} ${invoice.currency.code}
{% end %}"""


def say(text: str) -> None:
    """Print one step."""
    print(text, flush=True)


def build(database: str, modules: list[str]) -> None:
    """Create the tables and activate ``modules`` and what they need, all in one pass: the slow part."""
    Pool.start()
    options = ["-d", database, "--email", "admin@example.com", "--activate-dependencies"]
    run_admin(get_parser_admin().parse_args([*options, "-u", "ir", "res", *modules]))


class Seed:
    """The steps, in order of need; each leaves on ``self`` what later ones refer to."""

    def __init__(self, catalog: dict[str, Any]) -> None:
        self.catalog = catalog
        self.today = dt.date.today()  # noqa: DTZ011  the ERP's own day, as its server counts it

    def run(self) -> None:
        """All steps."""
        for step in (
            self.company,
            self.books,
            self.numbers,
            self.taxes,
            self.places,
            self.products,
            self.warehouses,
            self.parties,
            self.carriers,
            self.payment_methods,
            self.web_shop,
            self.papers,
            self.users,
        ):
            step()
            say(f"seeded {step.__name__.replace('_', ' ')}")

    def company(self) -> None:
        """The merchant, keeping its books in the catalogue's currency."""
        code = self.catalog["currency"]
        currency = Model.get("currency.currency")(name=code, code=code, rounding=Decimal("0.01"))
        currency.rates.new(date=dt.date(2000, 1, 1), rate=Decimal(1))
        currency.save()
        party = Model.get("party.party")(name=self.catalog["company"])
        party.save()
        add = Wizard("company.company.config")
        add.execute("company")
        add.form.party, add.form.currency = party, currency
        add.execute("add")
        # From here on we act within the company.
        config = proteus_config.get_config()
        config._context = Model.get("res.user").get_preferences(True, {})  # noqa: SLF001  as proteus' own tests do
        (self.merchant,) = Model.get("company.company").find()

    def books(self) -> None:
        """Chart of accounts, one fiscal year from last year's start to next year's end, tax rounded by line."""
        root = Model.get("ir.model.data").get_id("account", "account_template_root_en", {})
        chart = Wizard("account.create_chart")
        chart.execute("account")
        chart.form.account_template = Model.get("account.account.template")(root)
        chart.form.company = self.merchant
        chart.execute("create_account")
        self.accounts = {
            "receivable": self._account("type.receivable", True),
            "payable": self._account("type.payable", True),
            "revenue": self._account("type.revenue", True),
            "expense": self._account("type.expense", True),
            "cash": self._account("code", "1.1.1"),
            "tax": self._account("code", "6.3.6"),
        }
        chart.form.account_receivable = self.accounts["receivable"]
        chart.form.account_payable = self.accounts["payable"]
        chart.form.category_account_expense = self.accounts["expense"]
        chart.form.category_account_revenue = self.accounts["revenue"]
        chart.execute("create_properties")
        configuration = Model.get("account.configuration")(1)
        configuration.tax_rounding = "line"
        configuration.save()
        self._fiscal_year()
        self.payment_term = Model.get("account.invoice.payment_term")(name="Direct")
        self.payment_term.lines.new(type="remainder")
        self.payment_term.save()
        self.account_category = Model.get("product.category")(
            name="Sales",
            accounting=True,
            account_expense=self.accounts["expense"],
            account_revenue=self.accounts["revenue"],
        )
        self.account_category.save()

    def _account(self, field: str, value: Any) -> Any:
        domain = [(field, "=", value), ("company", "=", self.merchant.id), ("closed", "!=", True)]
        (account,) = Model.get("account.account").find(domain, limit=1)
        return account

    def _fiscal_year(self) -> None:
        first, last = dt.date(self.today.year - 1, 1, 1), dt.date(self.today.year + 1, 12, 31)
        year = Model.get("account.fiscalyear")(
            name=f"{first.year} to {last.year}", start_date=first, end_date=last, company=self.merchant
        )
        year.move_sequence = self._strict_sequence("Account Move")
        invoice = self._strict_sequence("Invoice")
        (kinds,) = year.invoice_sequences
        for kind in ("out_invoice", "in_invoice", "out_credit_note", "in_credit_note"):
            setattr(kinds, f"{kind}_sequence", invoice)
        year.click("create_period")

    def _strict_sequence(self, kind: str) -> Any:
        (sequence_type,) = Model.get("ir.sequence.type").find([("name", "=", kind)], limit=1)
        sequence = Model.get("ir.sequence.strict")(
            name=kind, sequence_type=sequence_type, company=self.merchant
        )
        sequence.save()
        return sequence

    def numbers(self) -> None:
        """Say what a number counts: sales S00001, parcels P00001, returns R00001, invoices I00001."""
        for model, kind, prefix in (
            ("ir.sequence", "Sale", "S"),
            ("ir.sequence", "Customer Shipment", "P"),
            ("ir.sequence", "Customer Return Shipment", "R"),
            ("ir.sequence.strict", "Invoice", "I"),
        ):
            for sequence in Model.get(model).find([("sequence_type.name", "=", kind)]):
                sequence.prefix, sequence.padding = prefix, 5
                sequence.save()

    def taxes(self) -> None:
        """Each tax, findable by ``description`` = code, and beside it a fixed cent on the same account.

        The cent lets an order carry the storefront's tax to the cent where rounding differs.
        """
        tax, group = Model.get("account.tax"), Model.get("account.tax.group")
        account = self.accounts["tax"]
        for code, (title, rate) in self.catalog["taxes"].items():
            kind = group(name=title, code=code, kind="sale")
            kind.save()
            real = tax(
                name=f"{title} {Decimal(rate):%}", description=code, type="percentage", rate=Decimal(rate)
            )
            cent = tax(
                name=f"{title}, one cent",
                description=f"{code}-ROUNDING",
                type="fixed",
                amount=Decimal("0.01"),
            )
            for each in (real, cent):
                each.group = kind
                each.invoice_account = each.credit_note_account = account
                each.save()

    def places(self) -> None:
        """Countries and their subdivisions, by ISO code."""
        country, subdivision = Model.get("country.country"), Model.get("country.subdivision")
        self.countries = {}
        for code, name in self.catalog["countries"].items():
            self.countries[code] = country(code=code, name=name)
            self.countries[code].save()
        for code, parts in self.catalog["subdivisions"].items():
            for part, name in parts.items():
                subdivision(
                    country=self.countries[code], code=f"{code}-{part}", name=name, type="state"
                ).save()

    def products(self) -> None:
        """Goods, the kit, and services: delivery, differences, fees, tips, duties, tax rounding."""
        (self.unit,) = Model.get("product.uom").find([("name", "=", "Unit")])
        self.goods = [
            self._product(p["sku"], p["name"], p["price"], "goods") for p in self.catalog["products"]
        ]
        by_sku = {product.code: product for product in self.goods}
        kit = self._product(
            self.catalog["kit"]["sku"], self.catalog["kit"]["name"], self.catalog["kit"]["price"], "kit"
        )
        for sku, quantity in self.catalog["kit"]["components"]:
            component = kit.template.components.new()
            component.product = by_sku[sku]
            component.quantity = float(quantity)
        kit.template.save()
        self.shipping = self._product(self.catalog["shipping_product"], "Delivery", "0", "service")
        self._product(self.catalog["adjustment_product"], "Accepted difference", "0", "service")
        self._product(self.catalog["fee_product"], "Restocking fee", "0", "service")
        for kind, code in self.catalog["charge_products"].items():
            self._product(code, kind.capitalize(), "0", "service")
        self._product(self.catalog["tax_rounding_product"], "Tax rounding", "0", "service")

    def _product(self, code: str, name: str, price: str, kind: str) -> Any:
        template = Model.get("product.template")(
            name=name,
            code=code,
            default_uom=self.unit,
            type=kind,
            salable=True,
            list_price=Decimal(price),
            account_category=self.account_category,
        )
        # Ship today: a lead time would put the shipment's planned date later.
        template.lead_time = dt.timedelta(0)
        template.save()
        (product,) = template.products
        return product

    def warehouses(self) -> None:
        """Two warehouses, each with a place for what is written off, every product in stock in each."""
        location = Model.get("stock.location")
        (first,) = location.find([("type", "=", "warehouse")])
        (lost_found,) = location.find([("type", "=", "lost_found")])
        self.places_of_stock = []
        for number, (code, name, on_hand) in enumerate(self.catalog["locations"].values()):
            warehouse = location(type="warehouse", lost_found_location=lost_found) if number else first
            for field, suffix in (
                ("input_location", "IN"),
                ("output_location", "OUT"),
                ("storage_location", "STO"),
            ):
                part = getattr(warehouse, field) or location(type="storage")
                part.name, part.code = f"{name}, {field.split('_')[0]}", f"{code}-{suffix}"
                part.save()
                setattr(warehouse, field, part)
            scrap = location(type="lost_found", name=f"{name}, scrap", code=f"{code}-SCRAP")
            scrap.save()
            warehouse.waste_locations.append(scrap)
            warehouse.name, warehouse.code = name, code
            warehouse.save()
            self.places_of_stock.append(warehouse)
            self._count_stock(warehouse.storage_location, on_hand)

    def _count_stock(self, storage: Any, on_hand: int) -> None:
        inventory = Model.get("stock.inventory")(location=storage)
        for product in self.goods:
            line = inventory.lines.new(product=product)
            line.quantity = float(on_hand)
        inventory.click("confirm")

    def parties(self) -> None:
        """The walk-in buyer, the shop's guest, and each B2B company with its price list."""
        self._party("RETAIL", "Walk-in customer")
        self.guest = self._party("GUEST", "Web shop guest")
        for code, name, price_list in self.catalog["companies"].values():
            listed = Model.get("product.price_list")(name=price_list, price="list_price")
            listed.lines.new().formula = "list_price * 0.9"
            listed.save()
            self._party(code, name, listed)

    def _party(self, code: str, name: str, price_list: Any = None) -> Any:
        party = Model.get("party.party")(name=name, code=code)
        address = party.addresses[0] if party.addresses else party.addresses.new()
        address.street, address.city, address.postal_code = "1 Main St", "New York", "10001"
        address.country = self.countries["US"]
        party.customer_payment_term = self.payment_term
        if price_list is not None:
            party.sale_price_list = price_list
        party.save()
        return party

    def carriers(self) -> None:
        """Each carrier's party has the carrier's code."""
        party, carrier = Model.get("party.party"), Model.get("carrier")
        for code, name in self.catalog["carriers"].values():
            company = party(name=name, code=code)
            company.save()
            carrier(party=company, carrier_product=self.shipping).save()

    def payment_methods(self) -> None:
        """Ways an invoice is paid, all against the cash account."""
        method, cash = Model.get("account.invoice.payment.method"), self.accounts["cash"]
        (journal,) = Model.get("account.journal").find([("type", "=", "cash")])
        for name in self.catalog["payment_methods"].values():
            method(name=name, journal=journal, credit_account=cash, debit_account=cash).save()

    def web_shop(self) -> None:
        """The shop whose name with an order's ``web_id`` is what makes a sale unique."""
        shop = Model.get("web.shop")(name=self.catalog["channel"], guest_party=self.guest)
        shop.company, shop.currency = self.merchant, self.merchant.currency
        for warehouse in self.places_of_stock:
            shop.warehouses.append(warehouse)
        shop.save()

    def papers(self) -> None:
        """Invoices as plain text: Tryton prints each that it posts, and laying out its own form takes a second."""
        (report,) = Model.get("ir.action.report").find([("report_name", "=", "account.invoice")])
        report.report_content, report.template_extension = INVOICE_FORM.encode(), "txt"
        report.save()

    def users(self) -> None:
        """The application's and the staff's logins."""
        groups = {"orderwright": APPLICATION_GROUPS, "staff": STAFF_GROUPS}
        model_data, group = Model.get("ir.model.data"), Model.get("res.group")
        for login, password in self.catalog["users"].items():
            user = Model.get("res.user")(name=login.capitalize(), login=login)
            user.password = password
            user.companies.append(Model.get("company.company")(self.merchant.id))
            user.company = self.merchant
            for module, name in groups[login]:
                user.groups.append(group(model_data.get_id(module, name, {})))
            user.save()


def main(arguments: list[str]) -> None:
    """Read the arguments, build, seed."""
    database, catalog, *modules = arguments
    build(database, modules)
    say("modules activated")
    proteus_config.set_trytond(database, user="admin")
    Seed(json.loads(Path(catalog).read_text(encoding="utf-8"))).run()


if __name__ == "__main__":
    main(sys.argv[1:])
