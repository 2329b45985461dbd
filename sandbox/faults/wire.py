"""One connection of a client, with what a well-behaved server never does: cut it, starve it, answer half.

HTTP itself is read and written by h11, the sans-I/O library under uvicorn and httpx.
"""

import asyncio

import h11

from sandbox.faults.messages import Answer, Request

_CHUNK = 65536


class ClientGone(Exception):
    """The client closed the connection, or spoke no HTTP."""


class Wire:
    """Server side of one HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER)

    async def read(self) -> Request | None:
        """The next call; None where the client has none. Raises ClientGone."""
        head: h11.Request | None = None
        body: list[bytes] = []
        while True:
            match await self._event():
                case h11.Request() as head:
                    if head.http_version == b"1.1" and (b"expect", b"100-continue") in head.headers:
                        await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                case h11.Data() as data:
                    body.append(bytes(data.data))
                case h11.EndOfMessage() if head is not None:
                    headers = [
                        (name.decode("latin1"), value.decode("latin1")) for name, value in head.headers
                    ]
                    return Request(
                        head.method.decode(), head.target.decode("latin1"), headers, b"".join(body)
                    )
                case _:
                    return None

    async def send(self, answer: Answer) -> None:
        """Send an answer whole. Raises ClientGone."""
        await self._head(answer)
        await self._send(h11.Data(data=answer.body))
        await self._send(h11.EndOfMessage())

    async def send_half(self, answer: Answer) -> None:
        """Announce the whole answer and send half of it. Raises ClientGone."""
        await self._head(answer)
        await self._send(h11.Data(data=answer.body[: len(answer.body) // 2]))

    async def drip(self, answer: Answer, seconds: float, drops: int = 40) -> None:
        """Send an answer in drops. Raises ClientGone as soon as the client has enough."""
        await self._head(answer)
        size = max(1, -(-len(answer.body) // drops))
        for start in range(0, len(answer.body), size):
            # Before each drop, never after the last: whoever has it all may send the next call at once.
            if await self.gone_within(seconds / drops):
                raise ClientGone
            await self._send(h11.Data(data=answer.body[start : start + size]))
        await self._send(h11.EndOfMessage())

    async def gone_within(self, seconds: float) -> bool:
        """Wait; True as soon as the client has closed the connection, False where it is still there after all."""
        try:
            async with asyncio.timeout(seconds):
                # While it waits for an answer, a client sends nothing: what can be read is its end.
                return not await self._reader.read(_CHUNK)
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def next_call(self) -> bool:
        """Make ready for another call on the same connection; False where that is not possible."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def cut(self) -> None:
        """End the connection at once, whatever is under way."""
        self._writer.transport.abort()

    def close(self) -> None:
        """End the connection in good order."""
        self._writer.close()

    async def _event(self) -> object:
        while True:
            try:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    return event
                self._http.receive_data(await self._reader.read(_CHUNK))
            except (ConnectionError, h11.RemoteProtocolError) as error:
                raise ClientGone from error

    async def _head(self, answer: Answer) -> None:
        headers = [*answer.headers, ("content-length", str(len(answer.body)))]
        await self._send(h11.Response(status_code=answer.status, headers=headers))

    async def _send(self, event: h11.Event) -> None:
        raw = self._http.send(event)
        try:
            if raw and not self._writer.transport.is_closing():
                self._writer.write(raw)
                await self._writer.drain()
        except ConnectionError as error:
            raise ClientGone from error
        if self._writer.transport.is_closing():
            raise ClientGone
