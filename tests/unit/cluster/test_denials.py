"""Denials and lacking permissions, read from recorded messages."""

from __future__ import annotations

import re

import pytest

from s3c_actions.cluster import denials
from tests.unit.cluster.gate.test_inspection import DATA


def recorded_denial(name: str) -> denials.Denial:
    (denial,) = denials.parse((DATA / f"{name}.txt").read_text().strip())
    return denial


@pytest.mark.parametrize(
    ("name", "reason", "remedy", "unavailable"),
    [
        ("unsigned", "it has no signature", "s3c sign", False),
        ("stranger", "not by anyone the cluster trusts", "trusted key", False),
        ("signature-expired", "its signature has expired", "again", False),
        ("absent-digest", "finds it in no registry", "Ratify's log", True),
        ("registry-down", "finds it in no registry", "Ratify's log", True),
        ("no-host", "finds it in no registry", "Ratify's log", True),
        ("absent-tag", "not in its registry", "Push it", False),
    ],
)
def test_recorded_denials(name, reason, remedy, unavailable):
    denial = recorded_denial(name)
    assert reason in denial.reason
    assert remedy in denial.remedy
    assert denial.unavailable is unavailable
    assert re.match(r"[a-z0-9.:]+/dep/\w+[@:]", denial.image)
    assert denial.image in denial.what
    assert "{" not in denial.what, "what Go prints of its structures helps nobody"
    if name != "absent-tag":
        assert denial.constraint == "ratify-verification"
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", denial.trace)


def test_a_ratify_that_is_stopped():
    denial = recorded_denial("ratify-stopped")
    assert denial.reason == "Ratify could not be asked: dial tcp 10.96.133.229:6001: connect: connection refused"
    assert denial.unavailable
    assert "gatekeeper-system" in denial.remedy


def test_ratifys_log_says_what_its_verdict_does_not():
    log, vague = (DATA / "out-of-reach.log").read_text(), recorded_denial("out-of-reach")
    assert "finds it in no registry" in vague.reason
    clear = denials.add_logged_reason(vague, log)
    assert clear.reason == "its registry could not be asked (Ratify's log: EOF)"
    assert clear.unavailable
    assert (clear.image, clear.trace, clear.constraint) == (vague.image, vague.trace, vague.constraint)
    for become, reason in (
        ("response status code 404: manifest unknown", "it is not in its registry"),
        ("GET token: response status code 401: Unauthorized", "the cluster may not read its registry"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "its registry could not be asked"),
    ):
        assert denials.add_logged_reason(vague, log.replace(": EOF ", f": {become} ")).reason.startswith(
            f"{reason} (Ratify's"
        )
    assert denials.add_logged_reason(vague, log.replace(vague.trace, "another")) == vague
    assert denials.add_logged_reason(vague, "") == vague


def test_several_denials_in_one_message():
    unsigned, stranger = ((DATA / f"{name}.txt").read_text().strip() for name in ("unsigned", "stranger"))
    parsed = denials.parse(unsigned + "\n" + stranger.partition("the request: ")[2])
    assert [denial.reason for denial in parsed] == [
        recorded_denial("unsigned").reason,
        recorded_denial("stranger").reason,
    ]


def test_a_webhook_that_cannot_be_asked_is_no_verdict():
    message = (
        'Internal error occurred: failed calling webhook "validation.gatekeeper.sh": failed to call webhook: Post '
        '"https://gatekeeper-webhook-service.gatekeeper-system.svc:443/v1/admit?timeout=7s": dial tcp 10.96.0.9:443: '
        "connect: connection refused"
    )
    (denial,) = denials.parse(message)
    assert denial.unavailable
    assert "Gatekeeper" in denial.what


def test_other_webhooks_and_other_messages():
    (denial,) = denials.parse('admission webhook "policy.example" denied the request: no team label')
    assert (denial.webhook, denial.reason, denial.constraint) == ("policy.example", "no team label", "")
    assert denials.parse('deployments.apps "web" not found') == ()
    assert denials.parse("") == ()


def test_permission():
    lacking = denials.parse_missing_permission(
        'deployments.apps "web" is forbidden: User "viewer" cannot patch resource "deployments" in API group "apps" in '
        'the namespace "shop"'
    )
    assert lacking == denials.MissingPermission(
        user="viewer", verb="patch", resource="deployments.apps", namespace="shop"
    )
    assert denials.parse_missing_permission("quota exceeded") is None


def test_a_pod_with_a_tag_is_denied_with_the_digest_to_write():
    digest = f"sha256:{64 * 'a'}"
    message = (
        'admission webhook "validation.gatekeeper.sh" denied the request: [ratify-verification] '
        "localhost:5000/app:1.4 has no digest: what is pulled later may be another image. "
        f"Write localhost:5000/app:1.4@{digest}."
    )
    (denial,) = denials.parse(message)
    assert (denial.image, denial.unavailable) == ("localhost:5000/app:1.4", False)
    assert denial.reason == "it has no digest: what is pulled later may be another image"
    assert denial.remedy == f"Write localhost:5000/app:1.4@{digest}."
