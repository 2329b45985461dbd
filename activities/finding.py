"""The order as the ERP has it, where it must have it."""

from adapters.errors import Rejected
from adapters.ports import ErpPort
from domain.connection import ERP_SYSTEM
from domain.erp_order import ErpOrder
from domain.order import OrderKey


async def find_in_erp(erp: ErpPort, key: OrderKey) -> ErpOrder:
    """Raises Rejected with cause ``erp_order_missing``, and whatever the ERP's adapter does."""
    held = await erp.find_order(key)
    if held is None:
        raise Rejected(
            ERP_SYSTEM, "find the order", f"it has no order for {key} any more", "erp_order_missing"
        )
    return held
