"""docker-compose.yml: no Docker engine runs here, so what can be known without one is proven."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from config.settings import every_variable

ROOT = Path(__file__).parents[2]
COMPOSE = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")
SERVICES = COMPOSE["services"]
ONE_SHOT = {name for name, service in SERVICES.items() if service.get("restart") == "no"}
EXAMPLE = (ROOT / ".env.example").read_text()


def test_it_is_valid_by_the_compose_specification():
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_roles_are_services_of_their_own():
    assert {
        "web",
        "worker",
        "migrate",
        "app-database",
        "temporal",
        "temporal-database",
        "temporal-ui",
    } <= set(SERVICES)
    assert {name for name, service in SERVICES.items() if service.get("image") == "orderwright:0.1.0"} == {
        "web",
        "console",
        "worker",
        "migrate",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_release(name):
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?", tag), (
        "a moving tag changes what runs behind our back"
    )


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_or_one_shot(name):
    assert (name in ONE_SHOT) != ("healthcheck" in SERVICES[name])


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_exist_and_are_waited_for_rightly(name):
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert how["condition"] == wanted


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_and_configs_are_declared(name):
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"]
    assert {entry["source"] for entry in SERVICES[name].get("configs", [])} <= set(COMPOSE["configs"])


def test_no_password_stands_in_the_file():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or variable.endswith("PWD"):
                assert value.startswith("${"), f"{name}: {variable}"


def test_every_variable_asked_of_the_user_is_in_the_example():
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert asked
    assert {name for name in asked if f"{name}=" not in EXAMPLE} == set()


def test_the_settings_given_to_the_application_exist():
    known = {name for name, _ in every_variable()}
    given = {n for s in SERVICES.values() for n in s.get("environment", {}) if n.startswith("ORDERWRIGHT_")}
    assert given
    assert given <= known


def test_server_and_schema_tool_are_of_one_version():
    assert (
        SERVICES["temporal"]["image"].split(":")[1]
        == SERVICES["temporal-schema"]["image"].split(":")[1]
        == SERVICES["temporal-namespace"]["image"].split(":")[1]
    )


def test_the_image_holds_every_package_and_runs_without_rights():
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, flags=re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert copied == packages
    assert "--require-hashes -r requirements.lock" in dockerfile
    assert re.search(r"^USER orderwright$", dockerfile, flags=re.MULTILINE)
    assert all(
        re.search(r":\d+\.\d+\.\d+-", line)
        for line in re.findall(r"^FROM .*", dockerfile, flags=re.MULTILINE)
    )
