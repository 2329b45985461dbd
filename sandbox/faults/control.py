"""The control API of the proxies of one process. Loopback only, no login."""

from collections.abc import Mapping

from fastapi import APIRouter, FastAPI, HTTPException

from domain.model import Frozen
from sandbox.faults.call_log import Call, Counts
from sandbox.faults.proxy import Proxy
from sandbox.faults.rules import Rule, SetRule


class ProxyReading(Frozen):
    """One proxy: where it listens, what stands behind it, and its rules."""

    name: str
    url: str
    target: str
    rules: tuple[SetRule, ...]


def create_app(proxies: Mapping[str, Proxy]) -> FastAPI:
    """The ASGI application. The proxies are started and ended by whoever made them."""
    app = FastAPI(title="Orderwright sandbox faults")
    app.include_router(_router(proxies))

    @app.get("/healthz")
    async def healthy() -> dict[str, bool]:
        return {"ok": True}

    return app


def _router(proxies: Mapping[str, Proxy]) -> APIRouter:
    router = APIRouter(prefix="/control")

    def proxy(name: str) -> Proxy:
        if name not in proxies:
            raise HTTPException(404, f"there is no proxy {name!r}; there are {', '.join(sorted(proxies))}")
        return proxies[name]

    def read(name: str) -> ProxyReading:
        at = proxy(name)
        return ProxyReading(name=name, url=at.url, target=at.target, rules=at.rules)

    @router.get("/proxies")
    async def list_proxies() -> list[ProxyReading]:
        """All of them."""
        return [read(name) for name in sorted(proxies)]

    @router.post("/proxies/{name}/rules", status_code=201)
    async def set_rule(name: str, rule: Rule) -> int:
        """Put a rule in force; answers its id."""
        return await proxy(name).set_rule(rule)

    @router.delete("/proxies/{name}/rules/{number}")
    async def lift(name: str, number: int) -> ProxyReading:
        """Take one rule out of force."""
        await proxy(name).lift(number)
        return read(name)

    @router.delete("/proxies/{name}/rules")
    async def clear(name: str) -> ProxyReading:
        """Take all rules out of force."""
        await proxy(name).clear()
        return read(name)

    @router.get("/proxies/{name}/log")
    async def log(name: str, after: int = 0) -> tuple[Call, ...]:
        """Calls with a higher number, oldest first."""
        return proxy(name).log.after(after)

    @router.get("/proxies/{name}/counts")
    async def counts(name: str) -> Counts:
        """Calls counted since the start."""
        return proxy(name).log.counts()

    return router
