"""Memory systems by address, so that parts of one process that are built apart meet in the same ones."""

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront

_storefronts: dict[tuple[str, str], MemoryStorefront] = {}
_erps: dict[str, MemoryErp] = {}


def storefront_at(url: str, channel: str) -> MemoryStorefront:
    """The storefront of a channel at an address; an empty one the first time. It ends with the process."""
    return _storefronts.setdefault((url, channel), MemoryStorefront(channel))


def erp_at(url: str) -> MemoryErp:
    """The ERP at an address; an empty one that knows every product the first time. It ends with the process."""
    return _erps.setdefault(url, MemoryErp())
