"""`s3c exception revoke`: which exceptions are meant."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from s3c_actions.commands import exception_revoke
from s3c_actions.core.errors import InputError
from s3c_actions.policy.break_glass import JudgedException, judge_exceptions
from s3c_actions.policy.model import Policy
from tests.support import evidence, exceptions

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def beside(*rows: tuple[str, str]) -> list[JudgedException]:
    return [
        JudgedException(digest=f"sha256:{start:0<64}", grant=exceptions.grant(NOW), granter="oncall", ignored=ignored)
        for start, ignored in rows
    ]


def test_without_digests_all_that_count_are_meant() -> None:
    listed = beside(("aa1", ""), ("aa2", "it ended at …"), ("bb", ""))
    assert exception_revoke._choose((), listed) == (listed[0].digest, listed[2].digest)
    assert exception_revoke._choose((), beside(("aa", "it is not signed"))) == ()


def test_a_beginning_names_exactly_one() -> None:
    listed = beside(("aa1", ""), ("aa2", ""))
    assert exception_revoke._choose(("sha256:aa2", listed[1].digest), listed) == (listed[1].digest,)
    for start, count in (("sha256:aa", "several"), ("sha256:cc", "none")):
        with pytest.raises(InputError, match=f"names {count} of the 2 exceptions"):
            exception_revoke._choose((start,), listed)


def test_without_digests_nothing_stays_that_would_count_once_another_is_gone():
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    policy = Policy(
        version=1, signers=(exceptions.signer("release", "sign"), exceptions.signer("oncall", "grant-exceptions"))
    )
    same = [exceptions.document(exceptions.grant(now), number) for number in (1, 2)]
    unread = exceptions.document(None, 3)
    for documents in (same, [*same, unread]):
        judged = judge_exceptions(policy, documents, evidence.SUBJECT, now)
        chosen = exception_revoke._choose((), judged)
        assert chosen == (exceptions.digest(1), exceptions.digest(2))
        revoked = exceptions.document(exceptions.revocation(now, *chosen), 4)
        assert not any(
            exception.counts for exception in judge_exceptions(policy, (*same, revoked), evidence.SUBJECT, now)
        )
