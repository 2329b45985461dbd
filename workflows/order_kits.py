"""Kits of which a part has left: the order's story says so, until the parcel that completes them is told."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.erp_order import ErpOrder
    from domain.kits import parcels_of_pieces
    from workflows import kit_story
    from workflows.order_counter import OrderCounter


class OrderKits(OrderCounter):
    """Base of ``OrderWorkflow``, between it and what was handed over already."""

    def _take_erp(self, erp: ErpOrder) -> None:
        state = self._state
        known = {each.shipment_id for each in parcels_of_pieces(state.erp)} if state.erp else set()
        super()._take_erp(erp)
        for parcel in parcels_of_pieces(state.erp) if state.erp else ():
            if parcel.shipment_id not in known:
                self._tell("ERP", kit_story.pieces_left(parcel, state.lines))
