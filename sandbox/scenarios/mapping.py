"""The mapping that scenarios are played with: the sandbox's own, which tolerates two cents of tax.

What comes back of an exchange is inspected by a person.
"""

from pathlib import Path
from typing import Final

from config.mappings import MAPPINGS

TOLERANCE: Final = "0.02"
_STRICT: Final = 'tax_tolerance = "0"'
_RETURNS: Final = "[returns]\n"


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
    file.write_text(text.replace(_RETURNS, f'{_RETURNS}exchange_inspection = "ask"\n'), encoding="utf-8")
    return file
