"""Rebuilding the order view: an order that takes a step meanwhile is read again, never set back."""

from temporalio.service import RPCError, RPCStatusCode

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.order import Order
from domain.planning import plan_sales_order
from domain.status import OrderStatus
from orderwright.rebuild import Rebuilder
from store.database import Database
from store.mappings import MappingCatalog
from store.order_view import OrderPatch, OrderViewRow, apply_patch
from tests.order_builder import make_order, sandbox_mapping


async def test_a_step_taken_while_reading_wins_and_the_order_is_read_again(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    order = make_order(test=True)

    class Shop(MemoryStorefront):
        reads = 0

        async def read_order(self, external_id: str) -> Order:
            self.reads += 1
            if self.reads == 1:
                with database.write() as session:
                    apply_patch(session, order.key, 7, OrderPatch(number="newer"))
            return await super().read_order(external_id)

    shop = Shop()
    shop.place(order)
    catalog = MappingCatalog(database, {"shop": sandbox_mapping()})
    # No workflow is asked about an order that is ignored, so no connection is needed.
    rebuilder = Rebuilder({"shop": shop}, MemoryErp(), catalog, database, client=None)
    rebuilt = await rebuilder.rebuild(order.key)
    assert shop.reads == 2
    assert rebuilt.before is not None
    assert rebuilt.before.number == "newer"
    assert (rebuilt.after.number, rebuilt.after.status) == (order.number, OrderStatus.IGNORED)
    # With a closing time the order would be taken for finished, and an edit of it be ignored for ever.
    assert rebuilt.after.closed_at is None
    with database.read() as session:
        assert session.get(OrderViewRow, (order.key.channel, order.key.external_id)).revision == 7
    database.close()


async def test_an_order_that_only_the_store_canceled_is_not_over(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    order, shop, erp = make_order(), MemoryStorefront(), MemoryErp()
    shop.place(order)
    await erp.submit_order(plan_sales_order(order, sandbox_mapping()))
    shop.cancel_by_customer(order.key.external_id)

    class NoSuchWorkflow:
        def get_workflow_handle(self, workflow_id):
            return self

        async def query(self, *args, **options):
            raise RPCError("workflow not found", RPCStatusCode.NOT_FOUND, b"")

    catalog = MappingCatalog(database, {"shop": sandbox_mapping()})
    rebuilder = Rebuilder({"shop": shop}, erp, catalog, database, client=NoSuchWorkflow())
    half = (await rebuilder.rebuild(order.key)).after
    assert (half.status, half.closed_at) == (OrderStatus.CANCELED, None)
    assert half.waiting_for == "nothing: no workflow carries this order"
    await erp.cancel_order(order.key, "as in the store")
    over = (await rebuilder.rebuild(order.key)).after
    assert over.status is OrderStatus.CANCELED
    assert over.closed_at is not None
    database.close()
