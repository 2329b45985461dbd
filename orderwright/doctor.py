"""``orderwright doctor``: looks at everything a deployment needs, changes nothing, and tells the remedy."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from adapters.errors import AdapterError
from adapters.ports import ErpCapabilities, ErpPort, Probe, StorefrontPort
from adapters.registry import build_erp, build_storefront
from config.mappings import MappingError, load_mapping, load_mappings, require_possible
from config.ownership import OwnershipError, load_ownership
from config.settings import Settings, SettingsError, variable
from domain.mapping_rules import merge, standing
from domain.model import Frozen
from sandbox.failures import PartFailed
from sandbox.stack import find_temporal
from store.database import Database
from store.errors import DatabaseUnavailable, SchemaOutdated
from store.mapping_rules import MappingRules
from web.desk.operations import CannotBeDone, temporal
from workers.versions import carriers, named
from workflows.search import ALL as SEARCH_ATTRIBUTES

OLDEST_PYTHON = (3, 11)
PROBE_SECONDS = 30.0

BuildStorefront = Callable[[str, Settings], StorefrontPort]
BuildErp = Callable[[Settings], ErpPort]


class Finding(Frozen):
    """One thing that was looked at; ``remedy`` says what to do about a problem."""

    subject: str
    ok: bool
    detail: str
    remedy: str = ""


async def examine(
    load: Callable[[], Settings],
    *,
    storefront: BuildStorefront = build_storefront,
    erp: BuildErp = build_erp,
) -> tuple[Finding, ...]:
    """Look at everything; never raises for what it finds. ``storefront`` and ``erp`` make the adapters to probe."""
    findings = [python_version(), await temporal_command()]
    try:
        settings = load()
    except SettingsError as error:
        findings += [
            Finding(
                subject="settings", ok=False, detail=problem, remedy="correct the variable, then look again"
            )
            for problem in error.problems
        ]
        return tuple(findings)
    findings.append(_settings_found(settings))
    findings += _files(settings, await _capabilities(partial(erp, settings)) if settings.erp else None)
    findings += await asyncio.gather(
        asyncio.to_thread(database, settings),
        asyncio.to_thread(mapping_rules, settings),
        temporal_server(settings),
        workers(settings),
        web_port(settings),
        *(_probe(f"storefront {name}", partial(storefront, name, settings)) for name in settings.channels),
        *([_probe("ERP", partial(erp, settings))] if settings.erp else []),
    )
    return tuple(findings)


def python_version() -> Finding:
    """The interpreter is new enough."""
    found = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Finding(
        subject="Python",
        ok=sys.version_info >= OLDEST_PYTHON,
        detail=found,
        remedy=f"install Python {oldest} or newer, then make clean setup",
    )


async def temporal_command() -> Finding:
    """The ``temporal`` command that the embedded stack starts."""
    subject = "temporal command"
    try:
        binary = find_temporal()
        process = await asyncio.create_subprocess_exec(
            binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        told = (await process.communicate())[0].decode(errors="replace").strip()
    except PartFailed as error:
        return Finding(subject=subject, ok=False, detail=str(error), remedy="make setup")
    except OSError as error:
        return Finding(
            subject=subject, ok=False, detail=f"{binary}: {error.strerror}", remedy="make clean setup"
        )
    return Finding(subject=subject, ok=process.returncode == 0, detail=told, remedy="make clean setup")


def _settings_found(settings: Settings) -> Finding:
    missing = []
    if not settings.channels:
        missing.append(
            f"no storefront is set ({variable('channels', '<NAME>', 'vendor')} and its neighbours)"
        )
    if settings.erp is None:
        missing.append(f"no ERP is set ({variable('erp', 'vendor')} and its neighbours)")
    return Finding(
        subject="settings",
        ok=not missing,
        detail="; ".join(missing) or f"channels: {', '.join(sorted(settings.channels))}",
        remedy="copy .env.example to .env and fill it in (docs/settings.md)" if missing else "",
    )


async def _capabilities(build: Callable[[], ErpPort]) -> ErpCapabilities:
    """What the ERP can do; nobody is asked."""
    adapter = build()
    await adapter.close()
    return adapter.capabilities


def _files(settings: Settings, erp: ErpCapabilities | None) -> Iterator[Finding]:
    for name, channel in settings.channels.items():
        subject = f"mapping of {name}"
        try:
            mapping = load_mapping(channel.mapping)
            if erp is not None:
                require_possible(
                    settings,
                    {name: mapping},
                    tells_backorders=erp.backorders,
                    holds_back=erp.complete_only,
                )
        except MappingError as error:
            yield Finding(
                subject=subject,
                ok=False,
                detail=str(error),
                remedy="correct the file (docs/field-mapping.md)",
            )
        else:
            yield Finding(subject=subject, ok=True, detail=f"{channel.mapping}, version {mapping.version}")
    try:
        load_ownership()
    except OwnershipError as error:
        yield Finding(subject="ownership", ok=False, detail=str(error), remedy="correct the file")


def database(settings: Settings) -> Finding:
    """The store answers, and its tables are of this program's version."""
    subject, where = "database", settings.database.render_as_string(hide_password=True)
    file = settings.database.database
    if settings.database.get_backend_name() == "sqlite" and not Path(str(file)).is_file():
        # Opening it would make it, and a doctor changes nothing.
        return Finding(
            subject=subject, ok=False, detail=f"there is no file {file} yet", remedy="orderwright migrate"
        )
    try:
        store = Database(settings.database)
        try:
            store.check()
        finally:
            store.close()
    except SchemaOutdated as error:
        return Finding(subject=subject, ok=False, detail=f"{where}: {error}", remedy="orderwright migrate")
    except DatabaseUnavailable as error:
        remedy = f"start it, or correct {variable('database_url')}"
        return Finding(subject=subject, ok=False, detail=f"{where}: {error}", remedy=remedy)
    return Finding(subject=subject, ok=True, detail=where)


def mapping_rules(settings: Settings) -> Finding:
    """The reviewed rules that lie over the mapping files; a problem where one does not hold any more."""
    subject = "mapping rules"
    file = settings.database.database
    if settings.database.get_backend_name() == "sqlite" and not Path(str(file)).is_file():
        return Finding(subject=subject, ok=True, detail="none: there is no database yet")
    store = Database(settings.database)
    try:
        store.check()
        known = MappingRules(store)
        mappings = {mapping.name: mapping for mapping in load_mappings(settings).values()}
        rules = {name: known.all(name) for name in mappings}
        merged = [merge(mapping, rules[name]) for name, mapping in mappings.items()]
    except (DatabaseUnavailable, SchemaOutdated, MappingError):
        return Finding(subject=subject, ok=True, detail="not looked at: see database and mapping files")
    finally:
        store.close()
    holding = [
        f"{rule.place} = {rule.value} ({rule.origin})" for kept in rules.values() for rule in standing(kept)
    ]
    words = [sentence for found in merged for sentence in (*found.set_aside, *found.overruling)]
    return Finding(
        subject=subject,
        ok=not any(found.set_aside for found in merged),
        detail="; ".join([*holding, *words]) or "none",
        remedy="say the same in the mapping file, so that file and rule agree, or: orderwright mapping withdraw",
    )


async def temporal_server(settings: Settings) -> Finding:
    """Temporal is reached, the namespace exists and knows the search attributes."""
    subject = "Temporal"
    names = f"{variable('temporal', 'address')} and {variable('temporal', 'namespace')}"
    try:
        async with temporal(settings.temporal) as client:
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace)
            )
            known = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=client.namespace)
            )
    except CannotBeDone as error:
        return Finding(subject=subject, ok=False, detail=str(error), remedy=f"start it, or correct {names}")
    except RPCError as error:
        wrong_name = error.status is RPCStatusCode.NOT_FOUND
        remedy = f"make the namespace, or correct {names}" if wrong_name else "see Temporal's own log"
        return Finding(subject=subject, ok=False, detail=error.message, remedy=remedy)
    where = f"{client.service_client.config.target_host}, namespace {client.namespace}"
    missing = [key.name for key in SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]
    if missing:
        detail = f"{where}: search attributes are missing: {', '.join(missing)}"
        return Finding(
            subject=subject, ok=False, detail=detail, remedy="start a worker once, it registers them"
        )
    return Finding(subject=subject, ok=True, detail=where)


async def workers(settings: Settings) -> Finding:
    """Orders go on with workers that there are: a problem where another version is current than those that poll."""
    subject = "workers"
    try:
        async with temporal(settings.temporal) as client:
            found = await carriers(client)
    except (CannotBeDone, RPCError):
        return Finding(subject=subject, ok=True, detail="not looked at: see Temporal")
    if not found.polling:
        return Finding(subject=subject, ok=True, detail="none asks for orders yet")
    going_on = f"orders go on with {named(found.current)}"
    others = sorted(named(build_id) for build_id in found.polling - {found.current})
    if found.current not in found.polling:
        return Finding(
            subject=subject,
            ok=False,
            detail=f"{going_on}, but none polls; there are {' and '.join(others)}",
            remedy="start one, or have orders go on with another: orderwright worker --promote (docs/upgrades.md)",
        )
    return Finding(
        subject=subject, ok=True, detail="; ".join([going_on, *(f"{each} wait" for each in others)])
    )


async def web_port(settings: Settings) -> Finding:
    """The port of the webhook endpoint is free, or our own web process listens on it."""
    web = settings.web
    subject, where = "web port", f"{web.host}:{web.port}"
    if web.port == 0:
        return Finding(subject=subject, ok=True, detail="a free one is taken at the start")
    try:
        with socket.create_server((web.host, web.port)):
            return Finding(subject=subject, ok=True, detail=f"{where} is free")
    except OSError as error:
        reason = error.strerror or str(error)
    host = "127.0.0.1" if web.host in {"0.0.0.0", "::"} else web.host  # noqa: S104  compared, not bound
    async with httpx.AsyncClient(timeout=2) as client:
        try:
            answer = await client.get(f"http://{host}:{web.port}/healthz")
        except httpx.HTTPError:
            pass
        else:
            if answer.is_success:
                return Finding(subject=subject, ok=True, detail=f"{where}: our web process answers")
    remedy = f"end what listens there, or set {variable('web', 'port')}"
    return Finding(subject=subject, ok=False, detail=f"{where} cannot be used: {reason}", remedy=remedy)


async def _probe(subject: str, build: Callable[[], StorefrontPort | ErpPort]) -> Finding:
    try:
        adapter = build()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                probe = await adapter.probe()
        finally:
            await adapter.close()
    except AdapterError as error:
        probe = Probe(ok=False, detail=str(error), remedy="see that its address and credentials are right")
    except TimeoutError:
        probe = Probe(ok=False, detail=f"no answer in {PROBE_SECONDS:.0f} s", remedy="see that it runs")
    return Finding(subject=subject, ok=probe.ok, detail=probe.detail, remedy=probe.remedy)
