"""A reverse proxy on loopback between an adapter and its system, which goes wrong on order.

It stands on bare sockets, because what it is for is what HTTP servers are built never to do. Where no rule strikes, it
is a plain proxy; a system that is away by itself shows as 503, one that goes away in the middle as a cut connection.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

import httpx

from sandbox.faults.call_log import CallLog, Entry
from sandbox.faults.messages import Answer, Request, Vendor
from sandbox.faults.rules import Rule, RuleBook, SetRule
from sandbox.faults.spoiling import Forward, spoil
from sandbox.faults.wire import ClientGone, Wire

LOOPBACK: Final = "127.0.0.1"
PATIENCE: Final = httpx.Timeout(300.0, connect=5.0)
"""With the system: the client's patience is what counts."""
_OF_ONE_HOP: Final = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "te", "trailer"}
    | {"proxy-authenticate", "proxy-authorization", "proxy-connection", "accept-encoding", "content-encoding"}
)
_AWAY: Final = Answer(503, [("content-type", "text/plain")], b"the system behind the proxy cannot be reached")


class Proxy:
    """Stands before ``target`` (such as ``http://127.0.0.1:8000``). ``port`` 0 takes a free one."""

    def __init__(self, target: str, vendor: Vendor, *, port: int = 0) -> None:
        self.target = target
        self.log = CallLog()
        self._vendor = vendor
        self._port = port
        self._rules = RuleBook()
        self._wires: set[Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._system = httpx.AsyncClient(
            base_url=target, timeout=PATIENCE, limits=httpx.Limits(max_connections=None), trust_env=False
        )

    @property
    def url(self) -> str:
        """Where the adapter is to be pointed at."""
        return f"http://{LOOPBACK}:{self._port}"

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._system.aclose()

    async def set_rule(self, rule: Rule) -> int:
        """Put a rule in force; returns its id, to lift it by."""
        number = self._rules.add(rule)
        await self._obey()
        if rule.lasts is not None:
            task = asyncio.create_task(self._lift_later(number, rule.lasts))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return number

    async def _lift_later(self, number: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.lift(number)

    async def lift(self, number: int) -> None:
        """Take one rule out of force."""
        self._rules.lift(number)
        await self._obey()

    async def clear(self) -> None:
        """Take all rules out of force."""
        self._rules.clear()
        await self._obey()

    @property
    def rules(self) -> tuple[SetRule, ...]:
        """The rules in force."""
        return self._rules.listed()

    async def _obey(self) -> None:
        """Listen or not, as the rules have it now."""
        if self._rules.refuses:
            await self._stop_listening()
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for wire in self._wires:
            wire.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = Wire(reader, writer)
        self._wires.add(wire)
        try:
            while (request := await wire.read()) is not None:
                await self._carry_out(request, wire)
                if not wire.next_call():
                    break
        except (ClientGone, asyncio.CancelledError):
            # Canceled is the end of the proxy, and of this task; asyncio.streams would log it as a failure.
            wire.cut()
        finally:
            wire.close()
            self._wires.discard(wire)
            self._tasks.discard(task)

    async def _carry_out(self, request: Request, wire: Wire) -> None:
        names = self._vendor.names(request)
        rule = self._rules.strike(names)
        with self.log.during(names, rule.fault if rule else None) as entry:
            try:
                if rule is None:
                    answer = await self._forward(request, entry)
                    await wire.send(answer)
                    entry.status = answer.status
                else:
                    entry.status = await spoil(rule, self._vendor, wire, self._forwarding(request, entry))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                await wire.send(_AWAY)
                entry.status = _AWAY.status
            except httpx.HTTPError as error:
                raise ClientGone from error

    def _forwarding(self, request: Request, entry: Entry) -> Forward:
        async def forward() -> Answer:
            return await self._forward(request, entry)

        return forward

    async def _forward(self, request: Request, entry: Entry) -> Answer:
        """Do the call at the system; its answer comes back uncompressed, so that it can be changed and cut."""
        headers = [(name, value) for name, value in request.headers if name not in _OF_ONE_HOP]
        call = self._system.build_request(
            request.method,
            request.target,
            # Asked for plain answers, Tryton 8.2 still calls a long one compressed, and it is not.
            headers=[*headers, ("accept-encoding", "gzip")],
            content=request.body,
        )
        entry.forwarded = True
        try:
            response = await self._system.send(call)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            entry.forwarded = False
            raise
        kept = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_ONE_HOP]
        return Answer(response.status_code, kept, response.content)
