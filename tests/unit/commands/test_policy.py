"""`s3c policy check` without images: what the file says, in words."""

from __future__ import annotations

import pytest

from tests.support.bare import ended

POLICIES = {
    'findings: {deny-exploited: true, refuse: [CRITICAL, {HIGH: {grace: 14d}}, {epss: ">=0.1"}], fixable-only: true}': (
        "findings refused  CRITICAL, HIGH 14d after its fix, EPSS from 0.10000 on; only what has a fix\n",
        "exploited         denied (KEV), by data no older than 7d\n",
    ),
    'findings: {refuse: [{epss: ">=0.5"}]}\nexploitation: {maximum-age: 3d}': (
        "findings refused  EPSS from 0.50000 on\n",
        "exploited         scores no older than 3d\n",
    ),
    "findings: {refuse: []}\nplatform: {end-of-life: refuse}\nbase: {maximum-age: 90d}": (
        "findings refused  none by severity\n",
        "exploited         not asked about\n",
        "platform          refused at its end of life\n",
        "base              no older than 90d\n",
    ),
}


@pytest.mark.parametrize("text", POLICIES)
def test_every_rule_is_described(text, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text(f"version: 1\n{text}\n")
    code, output = ended(("policy", "check", "--policy", "rules.yaml"), tmp_path)
    assert code == 0, output
    for line in POLICIES[text]:
        assert line in output


@pytest.mark.parametrize(
    ("at", "why"), [("14d", "no image is given"), ("soon", "is not a day"), ("2026-02-30", "is not a day")]
)
def test_a_forecast_needs_an_image_and_a_day(at, why, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text("version: 1\n")
    code, output = ended(("policy", "check", "--policy", "rules.yaml", "--at", at), tmp_path)
    assert (code, why in output) == (2, True), output
