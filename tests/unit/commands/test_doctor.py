"""The lines of `s3c doctor`."""

from s3c_actions.commands import doctor
from s3c_actions.result.model import CheckFacts
from s3c_actions.steps.doctor import Status
from tests.support.bare import ended


def result(name, status, text, remedy=""):
    return CheckFacts(name=name, status=status, text=text, remedy=remedy, seconds=0.0)


def test_a_line_for_each_check_and_its_remedy():
    shown = doctor.render(
        [
            result("disk", Status.PASSED, "9.0 GiB free"),
            result("registry", Status.FAILED, "denied\n  by it", "Log in."),
            result("vault", Status.NOT_CONFIGURED, "no vault is given"),
        ]
    )
    assert shown.splitlines() == [
        "✔ disk      9.0 GiB free",
        "✘ registry  denied by it",
        "            → Log in.",
        "– vault     no vault is given",
    ]


def test_it_ends_with_3_when_a_check_has_failed_and_changes_nothing(alone):
    before = sorted(alone.rglob("*"))
    code, output = ended(("doctor", "--trivy-path", "none"), alone)
    assert code == 3
    assert "✘ trivy" in output
    assert sorted(alone.rglob("*")) == before
