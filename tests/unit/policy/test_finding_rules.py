"""What `findings.refuse` may say besides severities, and what is refused in it by its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.findings.model import Severity
from s3c_actions.policy import model

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def rules(text):
    return model.parse(f"version: 1\nfindings: {text}").findings


def test_severities_graces_and_a_likelihood_are_apart():
    parsed = rules('{deny-exploited: true, refuse: [CRITICAL, {HIGH: {grace: 14d}}, {epss: ">= 0.1"}]}')
    assert (parsed.severities, parsed.graces, parsed.epss) == (("CRITICAL",), {"HIGH": "14d"}, "0.10000")
    assert parsed.asks_exploitation == (True, True)
    assert rules("{}").asks_exploitation == (False, False)


def test_the_gate_in_ci_has_the_same_rules():
    policy = model.parse('version: 1\nfindings: {deny-exploited: true, refuse: [{HIGH: {grace: 14d}}, {epss: ">=1"}]}')
    gate = policy.gate(NOW)
    assert (gate.refuse, gate.graces) == (frozenset(), ((Severity.HIGH, timedelta(days=14)),))
    assert (gate.epss, gate.deny_exploited) == ("1.00000", True)


@pytest.mark.parametrize(
    ("refuse", "place", "problem"),
    [
        ('[{HIGH: {grace: 1d}, epss: ">=0.1"}]', "findings.refuse[0]", "exactly one"),
        ("[{}]", "findings.refuse[0]", "exactly one"),
        ("[CRITICAL, {HIGH: null}]", "findings.refuse[1]", "exactly one"),
        ("[HIGH, {HIGH: {grace: 1d}}]", "findings.refuse[1]", "twice"),
        ("[{HIGH: {grace: 1d}}, HIGH]", "findings.refuse[1]", "twice"),
        ("[{HIGH: {grace: 1d}}, {HIGH: {grace: 2d}}]", "findings.refuse[1]", "twice"),
        ('[{epss: ">=0.1"}, {epss: ">=0.2"}]', "findings.refuse[1]", "twice"),
        ('[{epss: ">0.1"}]', "findings.refuse[0].epss", "no likelihood"),
        ("[{epss: 0.1}]", "findings.refuse[0].epss", "no likelihood"),
        ('[{epss: ">=1.5"}]', "findings.refuse[0].epss", "no likelihood"),
        ('[{epss: ">=0.0"}]', "findings.refuse[0]", "refuses everything"),
        ("[{HIHG: {grace: 1d}}]", "findings.refuse[0]", "there is no key 'HIHG'"),
        ("[{HIGH: {grace: soon}}]", "findings.refuse[0].HIGH.grace", "no duration"),
        ("[{HIGH: {grace: 0d}}]", "findings.refuse: HIGH: grace", "no time at all"),
        ("[{HIGH: {grace: 99999999d}}]", "findings.refuse: HIGH: grace", "too long"),
        ("[{HIGH: 14d}]", "findings.refuse[0].HIGH", "a mapping belongs here"),
        ("[SEVERE]", "findings.refuse[0]", "none of the values"),
    ],
)
def test_what_it_may_not_say_is_named_by_its_place(refuse, place, problem):
    with pytest.raises(InputError) as caught:
        rules(f"{{refuse: {refuse}}}")
    assert (caught.value.field, f"at {place}: " in caught.value.what) == ("policy", True), caught.value.what
    assert problem in caught.value.what


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("exploitation: {maximum-age: 0h}", "exploitation.maximum-age"),
        ("exploitation: {maximum-age: new}", "exploitation.maximum-age"),
        ("base: {maximum-age: 99999999d}", "base.maximum-age"),
        ("report: {maximum-age: 99999999d}", "report.maximum-age"),
        ("platform: {end-of-life: denied}", "platform.end-of-life"),
    ],
)
def test_other_parts_name_their_place_too(text, place):
    with pytest.raises(InputError) as caught:
        model.parse(f"version: 1\n{text}")
    assert f"at {place}: " in caught.value.what


def test_without_graces_everything_is_refused_at_once():
    parsed = rules('{refuse: [CRITICAL, {HIGH: {grace: 14d}}, {epss: ">=0.1"}], fixable-only: true}').without_graces()
    assert (parsed.severities, parsed.graces, parsed.epss) == (("CRITICAL", "HIGH"), {}, "0.10000")
    assert parsed.fixable_only


def test_a_severity_named_twice_in_the_same_way_is_no_fault():
    assert rules("{refuse: [HIGH, HIGH]}").severities == ("HIGH", "HIGH")
