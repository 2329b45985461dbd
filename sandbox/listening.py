"""What the sandbox's servers have in common."""

from typing import Final

KEEP_ALIVE: Final = 30
"""Seconds that an idle connection is kept. Longer than httpx keeps its own (5): a call that goes out on a connection
that is just being closed comes back as a read error, though nobody did anything wrong.
"""
