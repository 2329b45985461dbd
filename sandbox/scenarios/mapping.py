"""The mapping that scenarios are played with: the sandbox's own, which tolerates two cents of tax.

What comes back of an exchange is inspected by a person. The store is told what it may sell, each change at once; of one
SKU some units are kept back.
"""

from pathlib import Path
from typing import Final

from config.mappings import MAPPINGS

TOLERANCE: Final = "0.02"
_STRICT: Final = 'tax_tolerance = "0"'
_RETURNS: Final = "[returns]\n"
_STOCK: Final = """
[stock]
push = true
scarce_below = 1000000
safety_by_sku = { "GLOVE-LTH" = 5 }
"""


def write_mapping(folder: Path) -> Path:
    """Write the mapping's file into ``folder``. Raises ValueError where the sandbox's own is not strict about tax."""
    text = (MAPPINGS / "shopify-tryton.toml").read_text(encoding="utf-8")
    for line in (_STRICT, _RETURNS.strip()):
        if text.count(line) != 1:
            raise ValueError(
                f"shopify-tryton.toml lacks the line {line}, which scenarios replace; restore it"
            )
    file = folder / "scenarios.toml"
    text = text.replace(_STRICT, f'tax_tolerance = "{TOLERANCE}"')
    text = text.replace(_RETURNS, f'{_RETURNS}exchange_inspection = "ask"\n')
    file.write_text(text + _STOCK, encoding="utf-8")
    return file
