"""The mapping that scenarios are played with: the sandbox's own, which tolerates two cents of tax."""

from pathlib import Path
from typing import Final

from config.mappings import MAPPINGS

TOLERANCE: Final = "0.02"
_STRICT: Final = 'tax_tolerance = "0"'


def write_mapping(folder: Path) -> Path:
    """Write the mapping's file into ``folder``. Raises ValueError where the sandbox's own is not strict about tax."""
    text = (MAPPINGS / "shopify-tryton.toml").read_text(encoding="utf-8")
    if text.count(_STRICT) != 1:
        raise ValueError(f"shopify-tryton.toml lacks the line {_STRICT}, which scenarios replace; restore it")
    file = folder / "scenarios.toml"
    file.write_text(text.replace(_STRICT, f'tax_tolerance = "{TOLERANCE}"'), encoding="utf-8")
    return file
