"""``python -m orderwright`` is the same as ``orderwright``."""

from orderwright.cli import app

app(prog_name="orderwright")
