"""What goes into Temporal's histories: readable where it is small, compressed where it is large, never changed."""

import zlib

import pytest
from temporalio.api.common.v1 import Payload

from adapters.payloads import (
    DATA_CONVERTER,
    ENCODING,
    LARGE,
    LARGEST,
    PayloadBroken,
    compressed,
    restored,
)
from domain.order import Order
from tests.order_builder import make_line, make_order


def order_of(lines: int) -> Order:
    return make_order(lines=tuple(make_line(str(n), ordered=n) for n in range(1, lines + 1)))


async def test_a_small_order_is_written_as_it_is_read():
    order = order_of(2)
    (payload,) = await DATA_CONVERTER.encode([order])
    assert payload.metadata["encoding"] == b"json/plain"
    assert Order.model_validate_json(payload.data) == order


async def test_a_large_order_is_a_fifth_and_comes_back_whole():
    order = order_of(40)
    (payload,) = await DATA_CONVERTER.encode([order])
    assert payload.metadata["encoding"] == ENCODING
    assert payload.ByteSize() < len(order.model_dump_json()) / 5
    assert await DATA_CONVERTER.decode([payload], [Order]) == [order]


async def test_what_was_written_before_there_was_compression_is_read_beside_what_is_compressed():
    order = order_of(40)
    plain = Payload(metadata={"encoding": b"json/plain"}, data=order.model_dump_json().encode())
    packed = compressed(plain)
    assert packed.metadata["encoding"] == ENCODING
    assert await DATA_CONVERTER.decode([plain, packed], [Order, Order]) == [order, order]


def test_what_compression_makes_no_smaller_stays_as_it_is():
    noise = Payload(metadata={"encoding": b"binary/plain"}, data=b"".join(_noise(LARGE)))
    assert compressed(noise) == noise
    assert restored(noise) == noise


def _noise(size: int) -> list[bytes]:
    """Bytes that nothing makes smaller: the digits of a sequence that does not repeat."""
    state, out = 1, []
    for _ in range(size):
        state = state * 6364136223846793005 + 1442695040888963407 & 0xFFFF_FFFF_FFFF_FFFF
        out.append((state >> 56).to_bytes(1, "big"))
    return out


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no such form", "broken"),
        (zlib.compress(b"x" * 5_000)[:-8], "cut off"),
        (zlib.compress(b"\0" * (LARGEST + 1)), "larger than"),
    ],
)
def test_a_broken_one_is_refused_in_words_and_a_bomb_is_not_unpacked(data: bytes, why: str):
    with pytest.raises(PayloadBroken, match=why):
        restored(Payload(metadata={"encoding": ENCODING}, data=data))
