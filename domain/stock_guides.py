"""What causes of trouble with stock mean to people, beside those of ``domain.case_guides``. No order waits in them."""

from domain.case_guides import CaseGuide

_DAY, _TWO_DAYS = 24, 48


_PUSH = "The next push of it that works closes the case."


def _guide(title: str, fix: str, hours: int = _TWO_DAYS, closes: str = _PUSH) -> CaseGuide:
    return CaseGuide(title=title, fix=f"{fix} {closes}".strip(), acts=(), hours=hours)


STOCK_GUIDES = {
    "stock_location_unmapped": _guide(
        "Location {1} of {0} is not told of stock",
        "Name its warehouse in [locations] of the mapping and restart the workers, or stock nothing at this location "
        "in the storefront.",
    ),
    "stock_product_unmapped": _guide(
        "SKU {1} of {0} is no product of the ERP",
        "Name its product in [skus] of the mapping and restart the workers, or correct the SKU in the storefront.",
    ),
    "stock_product_unknown": _guide(
        "The ERP has no stock of SKU {1} of {0}",
        "Make the product in the ERP and count it once, or name another in [skus] of the mapping; or switch counting "
        "off in the storefront.",
    ),
    "stock_not_tracked": _guide(
        "{0} sells SKU {1} without counting",
        "Switch the counting of stock on for it in the storefront, or leave it: it is sold without end.",
    ),
    "stock_sku_twice": _guide(
        "Several items of {0} carry the SKU {1}",
        "Give each item a SKU of its own in the storefront. Until then none of them is told of stock.",
        _DAY,
    ),
    "stock_item_unknown": _guide(
        "{0} does not know the item of SKU {1} any more",
        "See in the storefront whether the product was deleted.",
    ),
    "stock_not_stocked": _guide(
        "{0} does not stock SKU {1} at a location",
        "Stock it at the location in the storefront, or take the location out of [locations] of the mapping.",
    ),
    "stock_location_unknown": _guide(
        "{0} does not know the location {1}",
        "See whether it was closed in the storefront, and take it out of [locations] of the mapping.",
        _DAY,
    ),
    "stock_many": _guide(
        "More SKUs of {0} than can be listed have one trouble: {1}",
        "Look at the cases of this kind: they most likely have one cause, such as a rule of SKUs that the mapping "
        "lacks. The nightly comparison counts them all.",
        _DAY,
    ),
    "stock_refused": _guide(
        "{0} refuses to tell or take the stock of SKU {1}",
        "The reason says what it objects to; it is tried again every quarter of an hour.",
        _DAY,
    ),
    "stock_erp_refused": _guide(
        "The ERP does not tell the stock of {1}",
        "The reason says what it objects to. Until it tells, storefronts are told by what it told last, or not at all; "
        "it is asked again every quarter of an hour, and the case closes once it answers.",
        _DAY,
        closes="",
    ),
    "stock_feed_refused": _guide(
        "The ERP refuses to tell its stock",
        "See whether our user may read products, moves and locations there, and what the reason says. Until it tells, "
        "storefronts are told by what it told last; it is asked again all the time, and the case closes once it "
        "answers.",
        4,
        closes="",
    ),
    "stock_list_refused": _guide(
        "{0} refuses to list what it shows of stock",
        "See whether our app may read inventory there (scope read_inventory), and what the reason says. SKUs that "
        "change are told all the same; the comparison goes on by itself, and its end closes the case.",
        _DAY,
        closes="",
    ),
    "stock_all_refused": _guide(
        "{0} refuses whatever it is told of stock",
        "See whether our app may write inventory there (scope write_inventory), and what the reason says.",
        4,
    ),
}
