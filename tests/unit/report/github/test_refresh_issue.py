"""What the issue says of what is deployed, and what a Pod's status says of its images."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from s3c_actions.cluster import deployed
from s3c_actions.findings.model import Exploitation, Finding, Severity
from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.common import TimeoutOptions
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.report.github import refresh_issue
from s3c_actions.report.github.refresh_issue import RefreshedImage
from s3c_actions.report.render import escape
from tests.support.hostile import TEXTS
from tests.support.samples import finding
from tests.unit.report.test_hostile import ANY, check_inline, skeleton, unprintable

DIGEST = "sha256:" + "a" * 64


def image(text: str = "openssl", findings: int = 2) -> RefreshedImage:
    listed: list[Finding] = [
        finding(text, Severity.CRITICAL if number == 1 else Severity.HIGH, number) for number in range(1, findings + 1)
    ]
    return RefreshedImage(
        image=f"registry.example/{text}", places=(f"shop/{text}",), findings=tuple(listed), total=findings + 3
    )


def test_the_issue_says_what_is_due_where_and_what_to_do() -> None:
    images = [
        image(),
        image("db", 1),
        RefreshedImage(image="clean"),
        RefreshedImage(image="lost", problem="It is gone."),
    ]
    assert refresh_issue.issue_title(images) == "2 deployed images can be patched: 3 findings have a fix"
    body = refresh_issue.issue_body(images, run_url="https://github.com/octo/shop/actions/runs/5")
    assert "| `registry.example/openssl` | `shop/openssl` | 1 | 1 | 0 | 0 |" in body
    assert "<details><summary>registry.example/db (1)</summary>" in body
    assert "⚠ `lost` could not be scanned: It is gone." in body
    assert "1 other deployed image has nothing to fix." in body
    assert "`s3c chain registry.example/openssl`" in body
    assert "[Last run](https://github.com/octo/shop/actions/runs/5)" in body
    assert refresh_issue.issue_title([image("db", 1)]) == "1 deployed image can be patched: 1 finding has a fix"


def test_what_a_new_start_would_lose_is_named_with_the_day_and_the_reason() -> None:
    losses = (
        "today: its newest scan report is old",
        *(f"from 2026-12-{day}: its base is old" for day in range(10, 22)),
    )
    losing = RefreshedImage(image="registry.example/app", places=("shop/app",), losses=losses)
    assert not losing.done
    assert refresh_issue.issue_title([losing]) == "1 deployed image is refused at the next start"
    assert refresh_issue.issue_title([losing, losing]) == "2 deployed images are refused at the next start"
    body = refresh_issue.issue_body([losing])
    assert (
        "- `registry.example/app` (`shop/app`)\n  - today: its newest scan report is old\n  - from 2026-12-10" in body
    )
    assert "  - and 3 more" in body
    text = refresh_issue.render_text([losing])
    assert "✘ registry.example/app   its next start is refused today: its newest scan report is old, its next" in text
    hostile = replace(losing, losses=("from today: CVE <img src=x> @octocat | `x`\n# Title",))
    assert "<img" not in refresh_issue.issue_body([hostile])
    assert "\n# Title" not in refresh_issue.issue_body([hostile])


def test_signatures_that_end_soon_are_worth_an_issue_of_their_own() -> None:
    ending = RefreshedImage(image="registry.example/app", ending={"CN=release,O=example": "2026-12-10"})
    assert not ending.done
    assert refresh_issue.issue_title([ending]) == "The signature of 1 deployed image ends soon"
    body = refresh_issue.issue_body([ending])
    assert "| Image | Where |" not in body
    assert "**Next:**" not in body
    assert "- `registry.example/app`: signed by `CN=release,O=example`, until 2026-12-10" in body
    assert refresh_issue.render_text([ending]) == (
        "✘ registry.example/app   the signature by CN=release,O=example ends on 2026-12-10\n"
    )
    both = replace(image("db", 1), ending=ending.ending)
    assert refresh_issue.issue_title([ending, both]).startswith("1 deployed image can be patched")
    assert "signed by `CN=release,O=example`, until 2026-12-10" in refresh_issue.issue_body([ending, both])
    hostile = replace(ending, ending={"CN=`@octocat`<img src=x>|": "2026-12-10"})
    assert "<img" not in refresh_issue.issue_body([hostile]).replace("`` CN=`@octocat`<img src=x>| ``", "")


def test_a_break_glass_exception_is_worth_an_issue_with_the_time_left() -> None:
    clause = "exception sha256:012345678901 excuses CVE-2024-1, 3 h 2 min left (until 11:59), by *Ada*: <img>"
    excused = RefreshedImage(image="registry.example/app", exceptions=(clause,))
    assert not excused.done
    assert refresh_issue.issue_title([excused]) == "Break-glass exceptions of 1 deployed image end soon"
    body = refresh_issue.issue_body([excused])
    assert f"- `registry.example/app`: {escape.markdown(clause)}" in body
    assert "<img>" not in body
    assert "They end by themselves" in body
    assert refresh_issue.render_text([excused]) == f"✘ registry.example/app   {clause}\n"
    assert refresh_issue.issue_title([excused, image("db", 1)]).startswith("1 deployed image can be patched")


def test_a_pause_of_the_gate_stands_in_both() -> None:
    pause = "The gate (x) was paused from 2026-11-23T07:50:00Z until 2026-11-23T08:20:00Z: registry *down*."
    assert f"⚠ {escape.markdown(pause)}\n" in refresh_issue.issue_body([image()], [pause])
    assert refresh_issue.render_text([RefreshedImage(image="clean")], [pause]).startswith(f"⚠ {pause}\n✔ clean")


def test_the_text_has_a_line_for_each() -> None:
    assert refresh_issue.render_text(
        [image(), RefreshedImage(image="clean"), RefreshedImage(image="lost", problem="It is gone.")]
    ) == (
        "✘ registry.example/openssl   1 critical, 1 high can be fixed\n✔ clean   nothing to fix\n✘ lost   It is gone.\n"
    )


def test_what_no_patch_fixes_and_the_new_report_are_shown() -> None:
    waiting = RefreshedImage(
        image="db", refused=("2 refused findings have no fix yet",), evidence="new report attached"
    )
    assert refresh_issue.render_text([waiting]) == "✘ db   2 refused findings have no fix yet; new report attached\n"
    body = refresh_issue.issue_body([image(), waiting])
    assert "`db`: 2 refused findings have no fix yet." in body
    assert "nothing to fix" not in body


def test_a_large_issue_stays_within_what_github_takes() -> None:
    body = refresh_issue.issue_body([image(f"image{number}", 100) for number in range(200)])
    assert len(body.encode()) <= refresh_issue.BODY_BYTES
    assert body.rstrip().endswith("closed when nothing is left.")


def check(text: str) -> None:
    body, harmless = (
        refresh_issue.issue_body(
            [image(name), RefreshedImage(image=name, problem=name), RefreshedImage(image=name, refused=(name,))]
        )
        for name in (text or "x", "no harm")
    )
    assert skeleton(check_inline(body)) == skeleton(check_inline(harmless))
    assert not unprintable(body.replace("\N{WORD JOINER}", ""))
    assert len(refresh_issue.render_text([replace(image(text), refused=(text,), evidence=text)]).splitlines()) == 1


@TEXTS
def test_hostile_text_in_the_issue(text: str) -> None:
    check(text)


@settings(deadline=None, max_examples=50)
@given(ANY)
def test_any_text_in_the_issue(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    ("image", "pulled", "expected"),
    [
        ("registry.example/app:1", f"registry.example/app@{DIGEST}", (f"registry.example/app:1@{DIGEST}", True)),
        ("app", f"docker-pullable://docker.io/library/app@{DIGEST}", (f"docker.io/library/app@{DIGEST}", True)),
        (f"registry.example/app@{DIGEST}", "", (f"registry.example/app@{DIGEST}", True)),
        ("registry.example/app:1", "", ("registry.example/app:1", False)),
        ("registry.example/app:1", DIGEST, ("registry.example/app:1", False)),
        ("NOT an image", DIGEST, ("NOT an image", False)),
    ],
)
def test_the_digest_a_kubelet_pulled(image: str, pulled: str, expected: tuple[str, bool]) -> None:
    pod = {
        "spec": {"containers": [{"name": "main", "image": image}]},
        "status": {"containerStatuses": [{"name": "main", "imageID": pulled}]},
    }
    assert deployed._images(pod) == [expected]


def test_a_place_is_named_as_people_know_it() -> None:
    metadata = {
        "namespace": "shop",
        "name": "web-5d9c7b-xk2p",
        "labels": {"pod-template-hash": "5d9c7b"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d9c7b"}],
    }
    assert deployed._place(metadata) == "shop/web"
    assert re.fullmatch("shop/one", deployed._place({"namespace": "shop", "name": "one"}))


REACHING = [
    name
    for name in COMMANDS
    if {declared.name for declared in load(name).inputs} & {declared.name for declared in ClusterOptions.own()}
]


def test_every_command_that_reaches_a_cluster_takes_all_that_leads_to_one() -> None:
    # What they share (`commands.deploy.cluster_of`) reads all of these: without one, it is a bug at run time.
    assert {"chain", "deploy", "gate", "refresh"} <= set(REACHING)
    for name in REACHING:
        lacking = {
            declared.name for declared in (*ClusterOptions.own(), *IdentityOptions.own(), TimeoutOptions.timeout)
        } - {declared.name for declared in load(name).inputs}
        assert not lacking, name


def test_what_is_exploited_is_in_the_title_and_beside_its_id() -> None:
    due = image()
    known = Exploitation(known_exploited=True, since="2026-11-22", epss=None)
    exploited = replace(due, findings=(replace(due.findings[1], exploitation=known), due.findings[0]))
    assert refresh_issue.issue_title([exploited]).endswith("2 findings have a fix, 1 exploited today")
    rows = [line for line in refresh_issue.issue_body([exploited]).splitlines() if line.startswith("| `CVE")]
    assert ["**exploited**" in row for row in rows] == [True, False]
    asked = Exploitation(known_exploited=True, since="2026-11-22", epss=None, due="2026-12-13", ransomware=True)
    exploited = replace(due, findings=(replace(due.findings[1], exploitation=asked),))
    assert " **exploited** (due 2026-12-13, used for ransomware) |" in refresh_issue.issue_body([exploited])
    exploited = replace(due, findings=(replace(due.findings[1], exploitation=known), due.findings[0]))
    assert "1 exploited today, 1 critical, 1 high can be fixed" in refresh_issue.render_text([exploited])
