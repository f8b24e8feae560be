"""Layers are decompressed as a stream, whatever is in it."""

import gzip
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3c_actions.layers import decompression
from s3c_actions.layers.decompression import ANY_FRAMES, MAX_WINDOW, PIECE_BYTES, UnreadableLayer, decompress
from tests.support.layers import skippable, zstandard

NOISE = random.Random(1).randbytes(300_000)
TEXT = b"the same again and again\n" * 20_000
PACK = {"gzip": gzip.compress, "zstd": zstandard}


def expanded(content: bytes, step: int = 10_000) -> bytes:
    return b"".join(decompress(content[at : at + step] for at in range(0, len(content), step)))


@pytest.mark.parametrize("step", [1, 3, 100_000])
@pytest.mark.parametrize("pack", [bytes, *PACK.values()])
def test_what_was_packed(pack: Callable[[bytes], bytes], step: int) -> None:
    content = NOISE[:20_000] + TEXT[:20_000]
    assert expanded(pack(content), step) == content


@pytest.mark.parametrize("pack", PACK.values())
def test_several_parts_are_one(pack: Callable[[bytes], bytes]) -> None:
    assert expanded(pack(NOISE) + pack(b"") + pack(TEXT)) == NOISE + TEXT
    assert expanded(pack(b"")) == b""


@pytest.mark.parametrize("pack", PACK.values())
def test_what_follows_a_part_that_expands_far_is_read(pack: Callable[[bytes], bytes]) -> None:
    zeros = bytes(3 * PIECE_BYTES)
    packed = pack(zeros) + pack(b"x") + pack(zeros) + pack(TEXT)
    assert expanded(packed) == zeros + b"x" + zeros + TEXT
    with pytest.raises(UnreadableLayer, match="broken"):
        expanded(pack(zeros) + b"no part at all")
    with pytest.raises(UnreadableLayer, match="cut off"):
        expanded((pack(zeros) + pack(TEXT))[:-1])


def test_frames_to_skip_are_skipped_wherever_they_are() -> None:
    for number in range(16):
        table = skippable(NOISE, number)
        assert expanded(table + zstandard(TEXT) + table + zstandard(b"x") + table) == TEXT + b"x"
    assert expanded(skippable(b"nothing else")) == b""


@pytest.mark.parametrize("pack", PACK.values())
def test_pieces_are_small_however_far_it_expands(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(20_000_000))
    assert len(packed) < 30_000
    sizes = [len(piece) for piece in decompress([packed])]
    assert sum(sizes) == 20_000_000
    assert max(sizes) <= PIECE_BYTES


@pytest.mark.parametrize(
    ("content", "clause"),
    [
        (zstandard(TEXT)[:-1], "cut off"),
        (zstandard(TEXT) + skippable(b"table")[:-1], "cut off"),
        (zstandard(TEXT) + zstandard(TEXT)[:6], "cut off"),
        (gzip.compress(TEXT)[:-1], "cut off"),
        (zstandard(TEXT) + b"no frame at all", "broken"),
        (zstandard(TEXT) + bytes(100), "broken"),
        (zstandard(TEXT) + gzip.compress(TEXT), "broken"),
        (zstandard(TEXT)[:20] + b"\xff" * 100, "broken"),
        (gzip.compress(TEXT) + b"no member at all", "broken"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
    ],
)
def test_what_is_broken_is_unreadable(content: bytes, clause: str) -> None:
    with pytest.raises(UnreadableLayer, match=clause):
        expanded(content)


def test_a_window_that_needs_more_memory_than_is_given_is_unreadable() -> None:
    assert expanded(zstandard(TEXT, window=MAX_WINDOW)) == TEXT
    with pytest.raises(UnreadableLayer, match="requires too much memory"):
        expanded(zstandard(TEXT, window=MAX_WINDOW + 1))


@pytest.mark.parametrize("pack", PACK.values())
def test_the_number_of_parts_is_limited(pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "MAX_FRAMES", 10)
    assert expanded(pack(b"") * 10) == b""
    with pytest.raises(UnreadableLayer, match="more than 10 parts"):
        expanded(pack(b"") * 11)


@pytest.mark.parametrize("pack", [*PACK.values(), skippable])
def test_parts_with_hardly_any_content_are_refused_soon(pack: Callable[[bytes], bytes]) -> None:
    piece, read = pack(b"") * 1000, 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(4000):
            read += 1000
            yield piece

    with pytest.raises(UnreadableLayer, match="more than 10,000 parts, which hold less than 128 bytes each"):
        list(decompress(pieces()))
    assert read == ANY_FRAMES + 1000


@pytest.mark.parametrize("pack", PACK.values())
def test_a_part_for_each_header_and_content_of_a_file_is_read(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompression, "ANY_FRAMES", 2)
    file = pack(bytes(512)) + pack(b"x")
    assert len(expanded(file * 50)) == 50 * 513


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 3000),
    step=st.integers(1, 5000),
)
def test_a_hostile_frame_ends_in_content_or_an_error(changes: list[tuple[int, int]], cut: int, step: int) -> None:
    content = bytearray(zstandard(NOISE[:900]) + skippable(b"table") + zstandard(TEXT))
    for at, value in changes:
        content[4 + at % (len(content) - 4)] = value
    read = 0
    try:
        for piece in decompress(bytes(content[at : at + step]) for at in range(0, max(4, len(content) - cut), step)):
            read += len(piece)
            assert len(piece) <= PIECE_BYTES
    except UnreadableLayer as error:
        assert str(error)
    assert read <= len(NOISE) + len(TEXT) + 2**21
