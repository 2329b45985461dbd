"""The store as an HTTP server: Shopify's Admin GraphQL on one side, the control API on the other."""

import asyncio
import contextlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    validate,
)
from pydantic import SecretStr

from domain.model import Frozen
from sandbox.listening import KEEP_ALIVE
from sandbox.store import control, jobs
from sandbox.store.outbox import Outbox
from sandbox.store.resolvers import Api
from sandbox.store.schema import store_schema
from sandbox.store.state import State
from sandbox.store.throttle import Bucket, ThrottleKnobs, requested_cost
from sandbox.store.webhooks import API_VERSION, Courier

SHOP_DOMAIN: Final = "sandbox.myshopify.com"
_REFUSING_FAULTS: Final = {
    "unavailable": (503, {"errors": "Service Unavailable"}),
    "too_many_requests": (429, {"errors": "Exceeded 2 calls per second for api client."}),
}
ADMIN_PATH: Final = f"/admin/api/{API_VERSION}/graphql.json"


class StoreSettings(Frozen):
    """How to run the store. ``webhook_url`` and ``secret`` replace what the state remembers, where given."""

    state: Path
    token: SecretStr
    secret: SecretStr | None = None
    webhook_url: str | None = None
    shop_domain: str = SHOP_DOMAIN
    job_delay: float = 0.1
    """Seconds that ``orderCancel``'s job takes."""


class Store:
    """Everything a running store consists of."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        settings.state.parent.mkdir(parents=True, exist_ok=True)
        self.state = State(settings.state)
        self.outbox = Outbox(self.state, settings.shop_domain)
        self.courier = Courier(self.state, self.outbox, settings.shop_domain)
        self.api = Api(self.state, self.outbox, settings.shop_domain)
        self.bucket = Bucket(ThrottleKnobs.model_validate(self.state.setting("throttle") or {}))
        self.faults: list[control.Fault] = []
        if settings.secret is not None:
            self.outbox.turn(secret=settings.secret.get_secret_value())
        if settings.webhook_url is not None:
            self.outbox.turn(url=settings.webhook_url)

    def set_throttle(self, knobs: ThrottleKnobs) -> None:
        """Another bucket, kept over a restart."""
        with self.state.transaction():
            self.state.keep_setting("throttle", knobs.model_dump())
        self.bucket.set(knobs)

    def answer(self, body: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of one GraphQL request."""
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            return 400, {"errors": {"query": "Required parameter missing or invalid"}}
        variables = body.get("variables") or {}
        if not isinstance(variables, dict):
            return 400, {"errors": {"variables": "Must be an object"}}
        document = _valid(body["query"])
        if isinstance(document, tuple):
            return 200, {"errors": [error.formatted for error in document]}
        fault = self._fault(document, body.get("operationName"))
        if fault in _REFUSING_FAULTS:
            return _REFUSING_FAULTS[fault]
        jobs.run_due(self.state, self.outbox)
        cost = requested_cost(store_schema(), document, variables)
        limit = self.bucket.knobs.single_query_maximum
        if cost > limit:
            message = f"Query cost is {cost}, which exceeds the single query max cost limit ({limit})."
            return 200, {
                "errors": [{"message": message, "extensions": {"code": "MAX_COST_EXCEEDED", "cost": cost}}]
            }
        if not self.bucket.take(cost):
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return 200, {"errors": [error], "extensions": self._cost(cost, None)}
        result, spent = self.api.execute(
            document, variables, body.get("operationName"), self.settings.job_delay
        )
        spent = min(spent, cost)
        self.bucket.give_back(cost - spent)
        if fault == "answer_lost":
            return 502, {"errors": "Bad Gateway"}
        return 200, {**result.formatted, "extensions": self._cost(cost, spent)}

    def _cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        return {
            "cost": {
                "requestedQueryCost": requested,
                "actualQueryCost": actual,
                "throttleStatus": self.bucket.status(),
            }
        }

    def _fault(self, document: DocumentNode, operation_name: str | None) -> str:
        """What goes wrong with this request, and one occasion less for it to go wrong."""
        operation = get_operation_ast(document, operation_name)
        fields = {
            each.name.value
            for each in (operation.selection_set.selections if operation else ())
            if isinstance(each, FieldNode)
        }
        for i, fault in enumerate(self.faults):
            if fault.field in fields:
                rest = [fault.model_copy(update={"times": fault.times - 1})] if fault.times > 1 else []
                self.faults[i : i + 1] = rest
                return fault.kind
        return ""


@lru_cache(maxsize=256)
def _valid(query: str) -> DocumentNode | tuple[GraphQLError, ...]:
    """A document that fits the schema, or what is wrong with it."""
    try:
        document = parse(query)
    except GraphQLError as error:
        return (error,)
    if not any(isinstance(each, OperationDefinitionNode) for each in document.definitions):
        return (GraphQLError("No query string was present"),)
    return tuple(validate(store_schema(), document)) or document


def create_app(settings: StoreSettings) -> FastAPI:
    """The ASGI application; the store lives as long as its lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = Store(settings)
        app.state.store = store
        delivering = app.state.delivering = asyncio.create_task(store.courier.run())
        try:
            yield
        finally:
            delivering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await delivering
            store.state.close()

    app = FastAPI(title="Orderwright sandbox store", lifespan=lifespan)
    app.include_router(control.router)

    @app.get("/healthz")
    async def healthy(request: Request) -> JSONResponse:
        delivering: asyncio.Task[None] = request.app.state.delivering
        return JSONResponse({"ok": not delivering.done()}, 503 if delivering.done() else 200)

    @app.post("/admin/api/{version}/graphql.json")
    async def graphql(version: str, request: Request) -> JSONResponse:
        if version != API_VERSION:
            return JSONResponse({"errors": "Not Found"}, 404)
        given = request.headers.get("x-shopify-access-token", "")
        if not hmac.compare_digest(given.encode(), settings.token.get_secret_value().encode()):
            words = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return JSONResponse({"errors": words}, 401)
        try:
            body = json.loads(await request.body())
        except ValueError:
            return JSONResponse({"errors": "Bad Request"}, 400)
        status, answer = request.app.state.store.answer(body)
        headers = {"X-Request-Id": str(uuid.uuid4()), "X-Shopify-API-Version": API_VERSION}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            headers["Retry-After"] = "2.0"
        return JSONResponse(answer, status, headers)

    return app


def serve(settings: StoreSettings, port: int) -> None:
    """Run on the loopback interface until SIGINT or SIGTERM."""
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
