"""The sandbox's memory ERP: a call goes by the port's method, such as ``submit_order``."""

from sandbox.faults.messages import READS, WRITES, Request
from sandbox.faults.plain import Plain


class Memory(Plain):
    """Implements ``Vendor``; in trouble it speaks as plain HTTP does."""

    def names(self, request: Request) -> tuple[str, ...]:
        """See ``Vendor``."""
        body = request.json
        if not isinstance(body, dict) or not isinstance(body.get("method"), str):
            return super().names(request)
        return body["method"], WRITES if body["method"] in {
            "submit_order",
            "deliver_order",
            "amend_order",
            "cancel_order",
        } else READS
