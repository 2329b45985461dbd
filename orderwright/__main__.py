"""``orderwright`` and ``python -m orderwright``."""

import logging
import os
import sys
from typing import NoReturn

from orderwright.cli import app


def main() -> NoReturn:
    """Run a command and end with its status.

    Temporal's client has threads of its own that Python cannot join; one that wakes while the interpreter winds down
    aborts the whole process, after the work is done. So everything is flushed here, and the process ends at once.
    """
    status: int | str | None = 0
    try:
        app(prog_name="orderwright")
    except SystemExit as ended:
        status = ended.code
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    main()
