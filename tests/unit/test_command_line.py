"""What a process does before it works: logging, where settings come from, errors in plain words, the installer."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from adapters.errors import Unavailable
from config.setting_groups import LogSettings
from config.settings import SettingsError
from orderwright.cli import app
from orderwright.logs import configure_logs
from orderwright.terminal import Invocation, PlainErrors

ROOT = Path(__file__).parents[2]


@pytest.fixture
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment without settings of ours."""
    for name in list(os.environ):
        if name.upper().startswith("ORDERWRIGHT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("_root_logger")
def test_json_logs_are_one_object_a_line_with_the_error_inside(capsys):
    configure_logs(LogSettings(format="json"))
    try:
        int("broken\nin two lines")
    except ValueError:
        logging.getLogger("orderwright.test").exception("could not do %s", "it")
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["message"]) == (
        "error",
        "orderwright.test",
        "could not do it",
    )
    assert "ValueError: invalid literal" in entry["error"]
    assert entry["time"].endswith("+00:00")


@pytest.mark.usefixtures("_root_logger")
def test_the_level_is_kept_and_chatty_libraries_are_quiet_unless_debugging(capsys):
    configure_logs(LogSettings(level="info"))
    logging.getLogger("orderwright").debug("hidden")
    logging.getLogger("orderwright").info("shown")
    logging.getLogger("httpx").info("a request")
    configure_logs(LogSettings(level="debug"))
    logging.getLogger("httpx").info("wanted now")
    told = capsys.readouterr().err
    assert "shown" in told
    assert "wanted now" in told
    assert "hidden" not in told
    assert "a request" not in told


def test_settings_come_from_the_named_file_then_env_then_the_running_stack(folder):
    stack = folder / "var" / "up" / "env"
    stack.parent.mkdir(parents=True)
    stack.write_text("ORDERWRIGHT_WEB__PORT=1001\n")
    assert Invocation(None).settings().web.port == 1001
    (folder / ".env").write_text("ORDERWRIGHT_WEB__PORT=1002\n")
    assert Invocation(None).settings().web.port == 1002
    named = folder / "named"
    named.write_text("ORDERWRIGHT_WEB__PORT=1003\n")
    assert Invocation(named).settings().web.port == 1003
    with pytest.raises(SettingsError, match="there is no file"):
        Invocation(folder / "missing").settings()


@pytest.mark.usefixtures("folder")
def test_bad_settings_are_told_without_a_traceback_and_exit_with_2(monkeypatch):
    monkeypatch.setenv("ORDERWRIGHT_WEB__PORT", "eighty")
    monkeypatch.setenv("ORDERWRIGHT_LOGLEVEL", "debug")
    result = CliRunner().invoke(app, ["worker"])
    assert result.exit_code == 2
    assert "orderwright: ORDERWRIGHT_WEB__PORT: " in result.stderr
    assert "did you mean ORDERWRIGHT_LOG__LEVEL?" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("folder")
def test_a_database_that_was_never_made_is_told_with_the_remedy():
    result = CliRunner().invoke(app, ["order", "list"])
    assert result.exit_code == 1
    assert "orderwright migrate" in result.stderr


@pytest.mark.usefixtures("folder")
def test_placing_an_order_needs_the_embedded_stack():
    result = CliRunner().invoke(app, ["order", "place", "MUG-LOGO"])
    assert result.exit_code == 1
    assert "orderwright up" in result.stderr


def test_a_system_that_does_not_answer_is_told_with_what_helps():
    away = typer.Typer(cls=PlainErrors)

    @away.command()
    def prove() -> None:
        raise Unavailable("tryton", "log in", "did not answer (ReadTimeout)")

    @away.command()
    def other() -> None:
        """With two, the first is a command by name."""

    result = CliRunner().invoke(away, ["prove"])
    assert result.exit_code == 1
    assert "tryton: log in: did not answer (ReadTimeout); is it up" in result.stderr
    assert "orderwright doctor" in result.stderr


def test_the_version_is_told():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("orderwright 0.")


def run_install(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(ROOT / "sandbox" / "install.sh"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **environment}
    )


def test_the_installer_says_plainly_that_python_is_too_old_or_missing(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.2'\nexit 1\n")
    old.chmod(0o755)
    for name in ("sh", "dirname", "cat", "cksum", "date"):
        (tmp_path / name).symlink_to(
            f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}"
        )
    told = run_install("run", PATH=str(tmp_path), VENV=str(tmp_path / "venv"))
    assert told.returncode == 1
    assert "Python 3.11 or newer is needed" in told.stderr
    assert "Python 3.9.2" in told.stderr
    assert "apt-get install python3 python3-venv" in told.stderr


def test_the_installer_refuses_a_wrong_choice_of_python_and_of_kind(tmp_path):
    told = run_install("run", PYTHON=str(tmp_path / "none"), VENV=str(tmp_path / "venv"))
    assert told.returncode == 1
    assert "is no Python 3.11 or newer" in told.stderr
    assert run_install("everything").returncode == 2


def test_the_installer_leaves_alone_what_is_current(tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    files = b"".join(
        (ROOT / name).read_bytes() for name in ("requirements.lock", "pyproject.toml", "sandbox/install.sh")
    )
    stamp = subprocess.run(["cksum"], input=files, capture_output=True, check=True).stdout
    (venv / ".installed-run").write_bytes(stamp)
    told = run_install("run", VENV=str(venv))
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
