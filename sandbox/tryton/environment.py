"""Tryton's own virtual environment, made on first use from the hashed lock file beside this module.

Tryton is GPL-3 software: the application talks to it over HTTP only and never imports it.
"""

import shutil
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from sandbox.failures import PreparationFailed
from sandbox.tryton.progress import run_step, turn

Say = Callable[[str], None]
LOCK: Final = Path(__file__).with_name("requirements.lock")
MARKER: Final = "installed-lock.sha256"


def python_of(state_dir: Path) -> Path:
    """Tryton's interpreter under ``state_dir``; it may not exist yet."""
    folder, name = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    return state_dir / "venv" / folder / name


def prepare_environment(
    state_dir: Path, say: Say, lock: Path = LOCK, *, stop: threading.Event | None = None
) -> Path:
    """Make sure that Tryton is installed under ``state_dir`` and return its interpreter.

    What is there is kept when it was made from the same lock file by a Python of the same version; anything else,
    such as the rest of an install that was interrupted, is made anew. Raises PreparationFailed with the remedy.
    """
    python = python_of(state_dir)
    venv = state_dir / "venv"
    marker = venv / MARKER
    wanted = (
        f"{sha256(lock.read_bytes()).hexdigest()} python {sys.version_info.major}.{sys.version_info.minor}\n"
    )
    with turn(state_dir, say, stop):
        # The marker is written last, so it is there only where the install came to its end.
        if python.exists() and marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
            return python
        if venv.exists():
            say("removing an old or unfinished Tryton environment")
            shutil.rmtree(venv)
        say("installing Tryton into its own environment (first use only)")
        for what, command in _commands(venv, python, lock):
            run_step(what, command, say, stop=stop)
        marker.write_text(wanted, encoding="utf-8")
    return python


def _commands(venv: Path, python: Path, lock: Path) -> list[tuple[str, list[str]]]:
    """The steps of an install, with uv where it is at hand because it is several times faster."""
    beside = Path(sys.executable).with_name("uv.exe" if sys.platform == "win32" else "uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        return [
            ("making Tryton's environment", [uv, "venv", "--quiet", "--python", sys.executable, str(venv)]),
            (
                "installing Tryton's packages",
                [
                    uv,
                    "pip",
                    "install",
                    "--quiet",
                    "--python",
                    str(python),
                    "--require-hashes",
                    "-r",
                    str(lock),
                ],
            ),
        ]
    try:
        import ensurepip  # noqa: F401, PLC0415  looked for only where uv is missing
    except ImportError as error:
        raise PreparationFailed(
            "this Python has neither uv nor pip to install Tryton with; install the uv package beside it, or your "
            "system's package for venv (Debian: python3-venv), and run this again"
        ) from error
    return [
        ("making Tryton's environment", [sys.executable, "-m", "venv", str(venv)]),
        (
            "installing Tryton's packages",
            [str(python), "-m", "pip", "install", "-qq", "--require-hashes", "-r", str(lock)],
        ),
    ]
