"""Break-glass exceptions: which count, what they excuse, and what they never excuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.policy import break_glass, export, model
from s3c_actions.policy.break_glass import ExceptionDocument, describe, describe_left, judge_exceptions, to_verify
from s3c_actions.policy.finding_rules import FindingRules
from s3c_actions.policy.judge import Evidence, SignerStatus, judge_evidence
from s3c_actions.policy.model import BreakGlassRules, Policy
from tests.support import evidence, exceptions

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Policy(
    version=1,
    signers=(exceptions.signer("release", "sign"), exceptions.signer("oncall", "grant-exceptions")),
    findings=FindingRules(refuse=("HIGH", "CRITICAL"), deny=("CVE-2021-44228",)),
    break_glass=BreakGlassRules(maximum="48h"),
)
HOUR = timedelta(hours=1)


def reason(*documents: ExceptionDocument, now: datetime = NOW, policy: Policy = POLICY) -> list[str]:
    return [judged.ignored for judged in judge_exceptions(policy, documents, evidence.SUBJECT, now)]


def beside(*documents: ExceptionDocument, findings: tuple[str, ...] = ("CVE-2024-1",), **stated: object) -> Evidence:
    severities = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
    policy = {"refuse": severities, "deny": ["CVE-2021-44228"], "fixable-only": False, "packages": [], "licenses": []}
    run = evidence.run(NOW - HOUR, tuple(evidence.finding(name) for name in findings), **{"policy": policy, **stated})
    return replace(evidence.beside(reports=(evidence.document(evidence.sarif(run)),)), exceptions=documents)


def codes(attached: Evidence, now: datetime = NOW, policy: Policy = POLICY) -> set[str]:
    return {objection.code for objection in judge_evidence(policy, attached, now)}


def test_it_excuses_what_it_names_until_its_end_and_then_by_itself_nothing() -> None:
    grant = exceptions.grant(NOW, "CVE-2024-1", hours=24)
    attached = beside(exceptions.document(grant))
    assert codes(attached) == set()
    assert codes(attached, grant.until - timedelta(seconds=1)) == set()
    assert codes(attached, grant.until) == {"finding", "ignored-exception"}
    assert codes(beside(exceptions.document(grant), findings=("CVE-2024-1", "CVE-2024-2"))) == {"finding"}
    assert codes(beside(exceptions.document(exceptions.grant(NOW, "all")), findings=("CVE-2024-2",))) == set()


def test_the_clock_of_the_judge_moved_either_way_makes_no_exception_longer() -> None:
    grant = exceptions.grant(NOW, hours=48)
    document = exceptions.document(grant)
    assert reason(document, now=grant.created - timedelta(minutes=5)) == [""]
    (early,) = reason(document, now=grant.created - timedelta(minutes=5, seconds=1))
    assert early == "it is dated 2026-11-24T11:59:00Z, which is still to come"
    assert reason(document, now=grant.until + 1000 * HOUR) == ["it ended at 2026-11-26T11:59:00Z"]


@pytest.mark.parametrize(
    ("document", "ignored"),
    [
        (exceptions.document(exceptions.grant(NOW, hours=48)), ""),
        (exceptions.document(exceptions.grant(NOW, hours=48.001)), "it lasts longer than 48h"),
        (exceptions.document(exceptions.grant(NOW, subject=evidence.OTHER)), "it is for another image"),
        (exceptions.document(exceptions.grant(NOW), signed=False), "it is not signed"),
        (
            exceptions.document(exceptions.grant(NOW), granter=""),
            "it is signed by nobody whom the policy lets grant exceptions",
        ),
        (exceptions.document(None), "it cannot be read"),
        (exceptions.document(b"{}"), "it cannot be read"),
    ],
)
def test_what_does_not_count_says_why(document: ExceptionDocument, ignored: str) -> None:
    assert reason(document) == [ignored]
    assert codes(beside(document)) == ({"finding", "ignored-exception"} if ignored else set())


def test_without_a_signer_who_may_none_counts() -> None:
    policy = replace(POLICY, signers=POLICY.signers[:1])
    document = exceptions.document(exceptions.grant(NOW))
    assert reason(document, policy=policy) == ["the policy lets nobody grant exceptions"]
    assert to_verify(policy, (document,), evidence.SUBJECT, NOW) == frozenset()


def test_a_revocation_counts_by_whom_an_exception_would_and_for_this_image() -> None:
    grant = exceptions.document(exceptions.grant(NOW), 1)
    revocation = exceptions.revocation(NOW, exceptions.digest(1))
    assert reason(grant, exceptions.document(revocation, 2)) == ["it was revoked"]
    assert reason(grant, exceptions.document(revocation, 2, granter="")) == [""]
    assert reason(grant, exceptions.document(revocation, 2, signed=False)) == [""]
    assert reason(grant, exceptions.document(replace(revocation, subject=evidence.OTHER), 2)) == [""]
    assert reason(grant, exceptions.document(replace(revocation, revokes=(exceptions.digest(3),)), 2)) == [""]


def test_what_a_granter_signed_and_nobody_can_read_may_be_a_revocation() -> None:
    grant = exceptions.document(exceptions.grant(NOW), 1)
    later = exceptions.revocation(NOW, exceptions.digest(1)).encode().replace(b'"version":1', b'"version":2')
    for content in (None, b"{}", later):
        unread = exceptions.document(content, 2)
        assert reason(grant, unread) == ["another one cannot be read, and may revoke it", "it cannot be read"]
        assert codes(beside(grant, unread)) == {"finding", "ignored-exception"}
        assert to_verify(POLICY, (grant, unread), evidence.SUBJECT, NOW) == {exceptions.digest(1), exceptions.digest(2)}
        for stranger in (exceptions.document(content, 2, granter=""), exceptions.document(content, 2, signed=False)):
            assert reason(grant, stranger) == ["", "it cannot be read"]


def test_of_two_that_say_the_same_one_counts_and_of_very_many_none() -> None:
    grant = exceptions.grant(NOW)
    assert reason(exceptions.document(grant, 2), exceptions.document(grant, 1)) == [
        "",
        "it says the same as sha256:000000000000",
    ]
    unsigned_first = (exceptions.document(grant, 1, signed=False), exceptions.document(grant, 2))
    assert reason(*unsigned_first) == ["it is not signed", ""]
    most = tuple(
        exceptions.document(replace(grant, why=f"reason {number}"), number) for number in range(break_glass.MOST + 1)
    )
    assert reason(*most[:-1]) == [""] * break_glass.MOST
    assert reason(*most) == ["there are more than 50"] * len(most)


def test_it_excuses_findings_and_nothing_else() -> None:
    document = exceptions.document(exceptions.grant(NOW, "all"))
    assert codes(replace(beside(document), trust=SignerStatus.UNSIGNED)) == {"unsigned-image"}
    assert codes(replace(beside(document), reports=())) == {"no-report"}
    assert codes(beside(document), policy=replace(POLICY, report=model.ReportRules(maximum_age="30m"))) == {
        "stale-report"
    }
    assert codes(beside(document, blind="the distribution is unknown")) == {"blind"}
    assert codes(beside(document, findings=("CVE-2021-44228", "CVE-2024-1"))) == {"denied-finding"}


def test_findings_that_a_report_had_no_room_for_are_excused_by_all_where_nothing_is_denied_by_name() -> None:
    every, named = (exceptions.document(exceptions.grant(NOW, name)) for name in ("all", "CVE-2024-1"))
    without = replace(POLICY, findings=FindingRules(refuse=("HIGH",)))
    assert codes(beside(every, omitted=3), policy=without) == set()
    assert codes(beside(named, omitted=3), policy=without) == {"finding"}
    assert codes(beside(every, omitted=3)) == {"finding"}


def test_only_what_can_count_has_its_signature_verified() -> None:
    documents = (
        exceptions.document(exceptions.grant(NOW), 1),
        exceptions.document(exceptions.grant(NOW, hours=90), 2),
        exceptions.document(b"no", 3),
        exceptions.document(exceptions.revocation(NOW, exceptions.digest(1)), 4),
        exceptions.document(exceptions.revocation(NOW, exceptions.digest(2)), 5),
    )
    assert to_verify(POLICY, documents, evidence.SUBJECT, NOW) == {
        exceptions.digest(1),
        exceptions.digest(3),
        exceptions.digest(4),
    }
    assert to_verify(POLICY, documents[1:], evidence.SUBJECT, NOW) == frozenset()


def test_people_are_shown_what_it_excuses_how_long_still_and_by_whom() -> None:
    (excused,) = judge_exceptions(
        POLICY, [exceptions.document(exceptions.grant(NOW, "CVE-2024-1", "CVE-2024-2"))], evidence.SUBJECT, NOW
    )
    assert describe(excused, NOW) == (
        "exception sha256:000000000000 excuses CVE-2024-1, CVE-2024-2, 23 h 59 min left (until 2026-11-25T11:59:00Z), "
        "by Ada of platform (signer oncall): checkout is down, INC-7"
    )
    assert describe(replace(excused, ignored="it was revoked"), NOW).endswith("does not count: it was revoked")
    assert [describe_left(timedelta(seconds=left)) for left in (-5, 59, 61, 3600)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h 0 min",
    ]


# The policy


def test_a_signer_signs_images_unless_the_policy_says_otherwise() -> None:
    text = "version: 1\nsigners: [{name: a, certificate: x}, {name: b, certificate: y, may: [grant-exceptions]}]"
    policy = model.parse(text)
    assert [signer.name for signer in policy.image_signers] == ["a"]
    assert [signer.name for signer in policy.granters] == ["b"]
    assert policy.longest_grant == 72 * HOUR
    assert export.verifier_names(policy) == ("verifier-notation",)
    assert export.granter_names(policy) == ("verifier-notation-b",)
    assert not model.parse("version: 1\nsigners: [{name: a, certificate: x}]").granters


def test_who_only_grants_exceptions_never_has_the_verifier_of_a_gate_without_a_policy() -> None:
    policy = replace(POLICY, signers=POLICY.signers[::-1])
    assert export.granter_names(policy) == ("verifier-notation-oncall",)
    assert export.verifier_names(policy) == ("verifier-notation",)
    both = replace(POLICY, signers=(exceptions.signer("one", "sign", "grant-exceptions"),))
    assert export.granter_names(both) == export.verifier_names(both) == ("verifier-notation",)


def test_a_policy_whose_signers_only_grant_exceptions_can_judge_nothing() -> None:
    with pytest.raises(InputError, match="names no signer"):
        export.trust_policies(replace(POLICY, signers=POLICY.signers[1:]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("break-glass: {maximum: 73h}", "longer than 72h"),
        ("break-glass: {maximum: 0s}", "no time at all"),
        ("break-glass: {maximum: soon}", "at break-glass.maximum"),
        ("break-glass: {minimum: 1h}", "there is no key 'minimum'"),
        ("signers: [{name: a, certificate: x, may: []}]", r"at signers\[0\].may"),
        ("signers: [{name: a, certificate: x, may: [everything]}]", r"at signers\[0\].may\[0\]"),
    ],
)
def test_what_the_policy_may_not_say(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        model.parse(f"version: 1\n{text}")
