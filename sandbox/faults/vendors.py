"""The vendors that the proxy knows, by the names they have in the settings; ``http`` is anything else."""

from collections.abc import Mapping
from typing import Final

from sandbox.faults.memory import Memory
from sandbox.faults.messages import Vendor
from sandbox.faults.plain import Plain
from sandbox.faults.shopify import Shopify
from sandbox.faults.tryton import Tryton

VENDORS: Final[Mapping[str, Vendor]] = {
    "shopify": Shopify(),
    "tryton": Tryton(),
    "memory_server": Memory(),
    "http": Plain(),
}
