"""One stack a directory: a second one would end the first one's ERP and write over where everything is."""

import fcntl
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from sandbox.failures import PartFailed

NAME = "lock"


class StackIsUp(PartFailed):
    """Another process runs a stack in this directory."""


class StackLock:
    """Held on a file in a directory, with whose it is and since when.

    The kernel gives it back when its process ends, however it ends, so that nothing is left to clean up after a crash.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / NAME
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock. Raises StackIsUp where another stack has it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            os.close(descriptor)
            raise StackIsUp(
                f"a stack is up already in {self._directory} ({holder or 'it is just starting'}); use that one, or "
                "end it first: Ctrl-C where it runs, or SIGTERM to its process"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(
            descriptor, f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n".encode()
        )
        self._descriptor = descriptor

    def clear(self) -> None:
        """Forget what an earlier stack left in the directory; not the lock, which is ours by now."""
        for each in self._directory.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            elif each != self._file:
                each.unlink(missing_ok=True)

    def give_back(self) -> None:
        """Let another stack have it. The file stays: who deletes it could not be told from who never had it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
