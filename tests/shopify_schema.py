"""Shopify's own published facts, fetched at test time by npm and cached under ``var/`` (never committed).

``admin_schema`` is the whole Admin GraphQL schema from ``@shopify/dev-mcp``; ``webhook_schema`` the JSON
Schema of a webhook's body from ``shopify-webhook-schemas``. A test that calls them is marked ``npm``: it is
skipped with its reason where npm is missing, and fails in CI (environment variable ``CI``), where nothing
may be skipped.
"""

import gzip
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_client_schema

API_VERSION = "2026-07"
ADMIN_PACKAGE = ("@shopify/dev-mcp", "1.16.0")
WEBHOOK_PACKAGE = ("shopify-webhook-schemas", "0.3.8")
CACHE = Path(__file__).parent.parent / "var" / "npm"


@cache
def admin_schema(version: str = API_VERSION) -> GraphQLSchema:
    """Shopify's Admin schema of one API version."""
    raw = _member(ADMIN_PACKAGE, f"package/dist/data/admin_{version}.json.gz")
    # assume_valid: graphql-core 3.3 objects to how Shopify deprecates interface fields
    return build_client_schema(json.loads(gzip.decompress(raw))["data"], assume_valid=True)


@cache
def required_idempotent() -> frozenset[str]:
    """Names of the mutations whose description says that an idempotency key is required."""
    mutation = admin_schema().mutation_type
    assert mutation is not None
    return frozenset(
        name
        for name, field in mutation.fields.items()
        if "idempotency key is required" in " ".join((field.description or "").split())
    )


@cache
def webhook_schema(topic: str, version: str = API_VERSION) -> dict[str, Any]:
    """JSON Schema of a webhook's body; ``topic`` such as ``orders/create``."""
    schema: dict[str, Any] = json.loads(_member(WEBHOOK_PACKAGE, f"package/schemas/{version}/{topic}.json"))
    return schema


@cache
def webhook_example(topic: str, version: str = API_VERSION) -> dict[str, Any]:
    """The body that Shopify shows as an example of a topic."""
    shown = json.loads(_member(WEBHOOK_PACKAGE, f"package/metadatas/{version}/{topic}.json"))
    body: dict[str, Any] = shown["response"]
    return body


def _member(package: tuple[str, str], path: str) -> bytes:
    with tarfile.open(_tarball(*package)) as archive:
        file = archive.extractfile(path)
        assert file is not None, f"{path} is no file in {package}"
        return file.read()


def _tarball(name: str, version: str) -> Path:
    target = CACHE / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    if target.exists():
        return target
    npm = shutil.which("npm")
    if npm is None:
        _unavailable(f"npm is not installed, so {name} {version} cannot be fetched")
    CACHE.mkdir(parents=True, exist_ok=True)
    # a directory of its own and a rename, so that two test runs never read half a file
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        done = subprocess.run(  # noqa: PLW1510  the answer is read below
            [str(npm), "pack", f"{name}@{version}", "--silent"],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=150,
        )
        packed = list(Path(work).glob("*.tgz"))
        if done.returncode or len(packed) != 1:
            _unavailable(f"npm pack {name}@{version} failed: {done.stderr.strip()[-300:] or 'no file came'}")
        packed[0].replace(target)
    return target


def _unavailable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI this test must run")
    pytest.skip(reason)
