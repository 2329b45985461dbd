"""A real Tryton for tests: one seeded server a test session, ended with it.

Import ``tryton_server`` into a ``conftest.py``. Tests share the database, so each takes order ids of its own.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent


class TrytonAccess(NamedTuple):
    """Where the server is, and the logins of the application, of its staff and of its administrator."""

    url: str
    database: str
    login: str
    password: str
    staff_login: str
    staff_password: str
    administrator_login: str = "admin"
    administrator_password: str = "sandbox-administrator"


@pytest.fixture(scope="session")
def tryton_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonAccess]:
    """A fresh seeded server; on first use Tryton is installed and its template built, which takes a minute."""
    with run_tryton(tmp_path_factory.mktemp("tryton")) as access:
        yield access


class run_tryton:  # noqa: N801  used as a context manager, so it reads as a verb
    """Run a server of its own on a database in ``folder``: ``with run_tryton(tmp_path) as access``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> TrytonAccess:
        state_dir = os.environ.get("ORDERWRIGHT_TEST_TRYTON_DIR", str(ROOT / "var" / "tryton"))
        errors = self._folder / "server-stderr.log"
        command = [sys.executable, "-m", "sandbox.tryton", "--state-dir", state_dir, "--fresh"]
        with errors.open("w") as stderr:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(self._folder)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.__exit__()
            pytest.fail(f"the ERP did not start: {errors.read_text()[-2000:]}")
        told = json.loads(line)
        return TrytonAccess(**{name: told[name] for name in TrytonAccess._fields if name in told})

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
