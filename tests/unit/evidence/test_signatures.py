"""When the signatures beside an image end, by what their envelopes claim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3c_actions.core.reference import Reference
from s3c_actions.evidence import signatures
from s3c_actions.registry import Registry
from s3c_actions.signing.envelopes import Envelope

REFERENCE = Reference.parse("registry.example/app@sha256:" + "0" * 64)
NOW = datetime(2026, 11, 29, tzinfo=UTC)


def envelope(signer: str, days: int, *, expires: int | None = None, timestamped: bool = False) -> Envelope:
    """Of a certificate that expires in `days`, itself with an expiry in `expires` days or none."""

    def moment(after: int) -> str:
        return (NOW + timedelta(days=after)).isoformat()

    return Envelope(
        signature_format="cose",
        target=REFERENCE.digest,
        signer=signer,
        issuer=signer,
        thumbprint="",
        not_after=moment(days),
        expires=moment(expires) if expires is not None else "",
        timestamped=timestamped,
    )


def ends(monkeypatch: pytest.MonkeyPatch, *beside: Envelope | ValueError) -> dict[str, int | None]:
    """Signer → days until the end of its last signature."""

    def read(_registry: object, _reference: object, listed: Envelope | ValueError) -> SimpleNamespace:
        if isinstance(listed, ValueError):
            raise listed
        return SimpleNamespace(envelope=listed)

    monkeypatch.setattr(signatures, "read", read)
    registry: Any = SimpleNamespace(referrers=lambda _reference, _kind: beside)
    end_of_signer = signatures.find_ends(cast(Registry, registry), REFERENCE)
    return {signer: None if end is None else (end - NOW).days for signer, end in end_of_signer.items()}


def test_a_signature_ends_with_its_certificate_or_its_own_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, envelope("a", 9)) == {"a": 9}
    assert ends(monkeypatch, envelope("a", 9, expires=5)) == {"a": 5}
    assert ends(monkeypatch, envelope("a", 9, expires=50)) == {"a": 9}
    assert ends(monkeypatch) == {}


def test_a_time_stamp_outlives_the_certificate_and_not_the_signatures_own_expiry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ends(monkeypatch, envelope("a", 9, timestamped=True)) == {"a": None}
    assert ends(monkeypatch, envelope("a", 9, expires=50, timestamped=True)) == {"a": 50}


def test_of_one_signer_the_last_end_counts_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewed certificate's signature is enough; another signer's, whom the gate may not know, is not."""
    assert ends(monkeypatch, envelope("a", 9), envelope("a", 300), envelope("b", 5)) == {"a": 300, "b": 5}
    assert ends(monkeypatch, envelope("a", 9, timestamped=True), envelope("a", 5)) == {"a": None}
    assert ends(monkeypatch, ValueError("it is no signature"), envelope("a", 5)) == {"a": 5}
