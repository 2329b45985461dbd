"""All tables in one place: importing this fills ``Row.metadata``, which the migrations are compared with."""

from store.audit import AuditRow
from store.case_tables import CaseActRow, CaseOrderRow, CaseRow
from store.certificates import CertificateRow
from store.columns import Row
from store.connections import ConnectionRow
from store.crosswalk import CrosswalkRow
from store.erp_news import ErpNewsRow
from store.inbox import InboxRow
from store.mapping_rules import MappingRuleRow
from store.mappings import MappingRow
from store.order_view import OrderViewRow
from store.own_writes import OwnWriteRow
from store.return_turns import ReturnTurnRow
from store.rhythms import RhythmRow, SilenceRow
from store.stock_tables import (
    ErpKitPartRow,
    ErpStockRow,
    ErpUnreadRow,
    ShownStockRow,
    StockClaimRow,
    StockClockRow,
    StockGapRow,
    StockHeldRow,
    StockHistoryRow,
    StockMarkRow,
    StockWholeRow,
)

TABLES = (
    AuditRow,
    CaseActRow,
    CaseOrderRow,
    CaseRow,
    CertificateRow,
    ConnectionRow,
    CrosswalkRow,
    ErpKitPartRow,
    ErpNewsRow,
    ErpStockRow,
    ErpUnreadRow,
    InboxRow,
    MappingRow,
    MappingRuleRow,
    OrderViewRow,
    OwnWriteRow,
    ReturnTurnRow,
    RhythmRow,
    ShownStockRow,
    SilenceRow,
    StockClaimRow,
    StockClockRow,
    StockGapRow,
    StockHeldRow,
    StockHistoryRow,
    StockMarkRow,
    StockWholeRow,
)
METADATA = Row.metadata
