"""The document of a break-glass exception: read back as it was written, and nothing else is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from s3c_actions.core import exception_document as exception
from tests.support import exceptions

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GRANT = exceptions.grant(NOW, "CVE-2024-1", "all", why="Größe, 壞 (quoted)")
REVOCATION = exceptions.revocation(NOW, exceptions.digest(1), exceptions.digest(2))


@pytest.mark.parametrize("document", [GRANT, REVOCATION], ids=["exception", "revocation"])
def test_it_is_read_as_it_was_written(document: exception.ExceptionGrant | exception.Revocation) -> None:
    assert exception.decode(document.encode()) == document


@pytest.mark.parametrize("document", [GRANT, REVOCATION], ids=["exception", "revocation"])
def test_each_key_is_needed_and_no_other_is_known(document: exception.ExceptionGrant | exception.Revocation) -> None:
    whole = json.loads(document.encode())
    for key in whole:
        assert (
            exception.decode(json.dumps({name: value for name, value in whole.items() if name != key}).encode()) is None
        )
        assert exception.decode(json.dumps({**whole, key: None}).encode()) is None
        assert exception.decode(json.dumps({**whole, key: {}}).encode()) is None
    assert exception.decode(json.dumps({**whole, "more": 1}).encode()) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"version": True},
        {"kind": "revocation"},
        {"subject": "sha256:1"},
        {"findings": []},
        {"findings": ["CVE 1"]},
        {"findings": ["CVE-1\n"]},
        {"findings": ["x"] * 51},
        {"findings": ["x" * 101]},
        {"until": "2026-11-24T11:59:00Z"},
        {"until": "2026-13-24T11:59:00Z"},
        {"until": "2027-02-29T11:59:00Z"},
        {"until": "2026-11-25T11:59:00+00:00"},
        {"who": ""},
        {"who": "x" * 301},
        {"why": "no"},
        {"why": "x" * 1001},
        {"why": "two\nlines"},
        {"why": "\x1b[2J"},
        {"why": "half \ud800"},
        {"why": "not � text"},
    ],
    ids=str,
)
def test_what_is_not_exactly_so_is_nothing(changed: dict[str, Any]) -> None:
    assert exception.decode(json.dumps({**json.loads(GRANT.encode()), **changed}).encode()) is None


def test_what_is_too_large_or_no_json_is_nothing() -> None:
    assert exception.decode(GRANT.encode() + b" " * (exception.MAX_SIZE - len(GRANT.encode().decode()))) is not None
    assert exception.decode(GRANT.encode() + b" " * exception.MAX_SIZE) is None
    for content in (None, b"", b"null", b"[]", b'"x"', b"{", b'{"x": NaN}', b"[" * 5000, GRANT.encode() + b"}"):
        assert exception.decode(content) is None


def test_the_largest_that_may_be_written_is_read_and_far_below_what_ratify_hands_on() -> None:
    largest = exceptions.grant(NOW, *(f"{number:0100d}" for number in range(50)), who="é" * 300, why="é" * 1000)
    assert exception.decode(largest.encode()) == largest
    assert len(json.dumps(largest.encode().decode()).encode()) < 32 * 1024
