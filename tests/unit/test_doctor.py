"""The doctor finds what is wrong, names the remedy, and changes nothing."""

import asyncio
import socket
from pathlib import Path

from adapters.errors import Unavailable
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.ports import ErpCapabilities
from config.settings import Settings, SettingsError
from orderwright.doctor import Finding, database, examine, python_version, temporal_command, web_port
from sandbox.processes import free_port
from store.database import Database
from tests.order_builder import MAPPING_FILE


def settings_at(tmp_path: Path, **more) -> Settings:
    content = {
        "database_url": f"sqlite:///{tmp_path / 'orders.db'}",
        "temporal": {"address": f"127.0.0.1:{free_port()}"},
        "web": {"port": free_port()},
        "channels": {
            "shop": {
                "vendor": "memory",
                "url": "http://memory.test",
                "access_token": "secret-token",
                "webhook_secret": "secret-webhook",
            }
        },
        "erp": {
            "vendor": "memory",
            "url": "http://memory.test",
            "database": "erp",
            "login": "orderwright",
            "password": "secret-erp",
        },
    }
    return Settings.model_validate(content | more)


async def findings_of(settings: Settings, **adapters) -> dict[str, Finding]:
    return {finding.subject: finding for finding in await examine(lambda: settings, **adapters)}


def test_python_is_new_enough():
    assert python_version().ok


async def test_the_temporal_command_is_found_and_tells_its_version():
    found = await temporal_command()
    assert found.ok
    assert "temporal version" in found.detail


async def test_every_system_is_looked_at_and_named(tmp_path):
    found = await findings_of(settings_at(tmp_path))
    assert set(found) == {
        "Python", "temporal command", "settings", "mapping of shop", "database", "mapping rules", "Temporal",
        "workers", "web port", "storefront shop", "ERP",
    }  # fmt: skip
    assert {subject for subject, finding in found.items() if not finding.ok} == {"database", "Temporal"}
    assert all(finding.remedy for finding in found.values() if not finding.ok)
    assert found["Temporal"].detail.endswith(": connection refused")


async def test_no_secret_is_told(tmp_path):
    found = await findings_of(
        settings_at(tmp_path, database_url="postgresql://app:secret-db@127.0.0.1:1/orders")
    )
    assert "secret-" not in str(found)
    assert not found["database"].ok
    assert "ORDERWRIGHT_DATABASE_URL" in found["database"].remedy


async def test_settings_that_do_not_load_are_told_one_by_one():
    def load() -> Settings:
        raise SettingsError(["ORDERWRIGHT_ERP__URL is not set", "ORDERWRIGHT_WEB__PROT is not a setting"])

    told = [finding for finding in await examine(load) if finding.subject == "settings"]
    assert [finding.detail for finding in told] == [
        "ORDERWRIGHT_ERP__URL is not set",
        "ORDERWRIGHT_WEB__PROT is not a setting",
    ]
    assert not any(finding.ok for finding in told)


async def test_missing_systems_are_a_problem(tmp_path):
    found = await findings_of(settings_at(tmp_path, channels={}, erp=None))
    assert not found["settings"].ok
    assert "no storefront is set" in found["settings"].detail
    assert "no ERP is set" in found["settings"].detail
    assert "ERP" not in found


async def test_a_bad_mapping_is_told_with_its_place(tmp_path):
    file = tmp_path / "pair.toml"
    file.write_text("name = 'pair'")
    channel = settings_at(tmp_path).channels["shop"].model_copy(update={"mapping": str(file)})
    settings = settings_at(tmp_path).model_copy(update={"channels": {"shop": channel}})
    found = (await findings_of(settings))["mapping of shop"]
    assert not found.ok
    assert f"{file}: locations is missing" in found.detail


async def test_wrong_credentials_are_told_in_the_adapters_words(tmp_path):
    shop = MemoryStorefront()
    shop.credentials_valid = False
    found = await findings_of(settings_at(tmp_path), storefront=lambda _name, _settings: shop)
    assert not found["storefront shop"].ok
    assert found["storefront shop"].remedy


async def test_a_system_that_is_away_is_a_problem_of_its_own(tmp_path):
    class Away(MemoryErp):
        async def probe(self):
            raise Unavailable("ERP", "log in", "cannot be reached (refused)")

    found = await findings_of(settings_at(tmp_path), erp=lambda _settings: Away())
    assert not found["ERP"].ok
    assert "cannot be reached" in found["ERP"].detail
    assert found["storefront shop"].ok


def test_the_database_is_not_made_by_looking(tmp_path):
    settings = settings_at(tmp_path)
    found = database(settings)
    assert not found.ok
    assert found.remedy == "orderwright migrate"
    assert list(tmp_path.iterdir()) == []


def test_tables_that_are_missing_or_current_are_told_apart(tmp_path):
    settings = settings_at(tmp_path)
    store = Database(settings.database)
    with store.write():
        pass
    assert database(settings).remedy == "orderwright migrate"
    store.migrate()
    assert database(settings).ok
    store.close()


async def test_the_port_may_be_free_or_our_own_but_not_another_programs(tmp_path):
    settings = settings_at(tmp_path)
    assert (await web_port(settings)).detail.endswith("is free")
    with socket.create_server(("127.0.0.1", settings.web.port)) as other:
        other.settimeout(0)
        found = await web_port(settings)
    assert not found.ok
    assert "ORDERWRIGHT_WEB__PORT" in found.remedy


async def test_our_own_web_process_may_hold_the_port(tmp_path):
    async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if asked.startswith(b"GET /healthz ") else b"404 Not Found"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    settings = settings_at(tmp_path)
    async with await asyncio.start_server(healthy, "127.0.0.1", settings.web.port):
        found = await web_port(settings)
    assert found.ok
    assert "our web process answers" in found.detail


async def test_a_mapping_that_the_erp_cannot_keep_is_named_with_its_remedy(tmp_path):
    class NarrowErp(MemoryErp):
        capabilities = ErpCapabilities(backorders=False, complete_only=False)

    text = MAPPING_FILE.read_text(encoding="utf-8")
    file = tmp_path / "strict.toml"
    file.write_text(text.replace('"ship_what_is_there"\n', '"wait_for_all"\n'), encoding="utf-8")
    settings = settings_at(tmp_path)
    channel = settings.channels["shop"].model_copy(update={"mapping": str(file)})
    settings = settings.model_copy(update={"channels": {"shop": channel}})
    assert (await findings_of(settings))["mapping of shop"].ok
    found = (await findings_of(settings, erp=lambda _settings: NarrowErp()))["mapping of shop"]
    assert not found.ok
    assert 'strict.toml: [backorders] on_shortage = "wait_for_all" cannot be kept' in found.detail
