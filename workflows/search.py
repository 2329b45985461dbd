"""Search attributes of an order: what the Temporal UI filters and groups by."""

from temporalio.common import SearchAttributeKey

ORDER_STATE = SearchAttributeKey.for_keyword("OrderState")
"""A value of ``messages.Attention``."""
ORDER_NUMBER = SearchAttributeKey.for_keyword("OrderNumber")
"""What people call the order, such as ``#1001``."""
ERP_NUMBER = SearchAttributeKey.for_keyword("ErpNumber")
CHANNEL = SearchAttributeKey.for_keyword("Channel")

ALL = (ORDER_STATE, ORDER_NUMBER, ERP_NUMBER, CHANNEL)
