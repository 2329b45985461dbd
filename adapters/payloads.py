"""How what workflows are given and give is written into Temporal's histories: JSON by our models, compressed where it
is large.

An order of two lines is read in the Temporal UI as it is. One of 20 lines would fill its history with copies of itself,
as it comes and goes with each step; compressed it is a tenth. The form is that of the zlib codec in Temporal's Go SDK.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec

LARGE: Final = 4_096
"""Bytes from which a payload is compressed: what a person may want to read at a glance stays as it is."""
LARGEST: Final = 8_388_608
"""Bytes that a payload may come to: four times the 2 MB that a Temporal server takes of one."""
ENCODING: Final = b"binary/zlib"


class PayloadBroken(Exception):
    """A payload says that it is compressed and cannot be read; the message says why."""


class Compression(PayloadCodec):
    """Compresses large payloads. One that was never compressed is read as it is, so both may stand in one history."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See ``PayloadCodec``."""
        return [compressed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See ``PayloadCodec``. Raises PayloadBroken."""
        return [restored(payload) for payload in payloads]


DATA_CONVERTER: Final = replace(pydantic_data_converter, payload_codec=Compression())
"""Of every client and worker: what one of them wrote, all others must be able to read."""


def compressed(payload: Payload) -> Payload:
    """The payload in its smaller form, which is its own where it is not large."""
    if payload.ByteSize() < LARGE:
        return payload
    packed = Payload(metadata={"encoding": ENCODING}, data=zlib.compress(payload.SerializeToString()))
    return min(packed, payload, key=Payload.ByteSize)


def restored(payload: Payload) -> Payload:
    """The payload as it was before ``compressed``. Raises PayloadBroken."""
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(payload.data, LARGEST)
    except zlib.error as error:
        raise PayloadBroken(f"a compressed payload is broken: {error}") from error
    if not unpacking.eof:
        raise PayloadBroken(f"a compressed payload is cut off, or larger than {LARGEST} bytes")
    return Payload.FromString(data)
