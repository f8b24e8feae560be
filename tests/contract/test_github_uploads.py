"""`s3c upload` against GitHub's stand-in: what code scanning takes, refuses and makes of a sequence of uploads."""

from __future__ import annotations

import gzip
import io
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cli import run as shell
from s3c_actions.core.errors import Exit, InputError
from s3c_actions.findings import trivy_report
from s3c_actions.github import code_scanning
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from tests.contract.test_github_comments import EITHER, LATER, client
from tests.support import reports
from tests.support.github.server import GitHub
from tests.support.github.state import READ_ONLY, Token

MAIN = "refs/heads/main"
COMMIT = "4b6472266afd7b471e86085a6659e8c7f2b119da"
Upload = Callable[..., tuple[int, str]]


def rendered(report: bytes) -> bytes:
    return sarif.render(
        trivy_report.parse(report), Rendering(dockerfile="Dockerfile", dockerfile_text="FROM debian:12\n")
    )


def without(report: bytes) -> bytes:
    return json.dumps(json.loads(report) | {"Results": []}).encode()


@pytest.fixture
def upload(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upload:
    """Runs `s3c upload` on SARIF files; returns the exit code and the log."""
    monkeypatch.setattr(code_scanning, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(code_scanning, "LONGEST_PAUSE", 0.02)

    def go(*files: bytes, ref: str = MAIN, **flags: str) -> tuple[int, str]:
        folder = tmp_path / "reports"
        folder.mkdir(exist_ok=True)
        for number, data in enumerate(files):
            (folder / f"{number}.sarif").write_bytes(data)
        environment = {"HOME": str(tmp_path), **github.variables()}
        named = {"repository": github.state.repository, "commit": COMMIT, "ref": ref} | flags
        out = io.StringIO()
        argv = [str(folder), *(f"--{name.replace('_', '-')}={value}" for name, value in named.items())]
        return shell.run("upload", argv, environment, out, out), out.getvalue()

    return go


def changed(place: dict[str, Any], report: bytes = reports.SHAPES["alpine"]) -> bytes:
    """The SARIF of a report whose first result has this place."""
    log = json.loads(rendered(report))
    log["runs"][0]["results"][0]["locations"] = [{"physicalLocation": place}]
    return json.dumps(log).encode()


def states(github: GitHub, ref: str = MAIN) -> dict[int, str]:
    return {alert.number: alert.state(ref) for alert in github.state.ingested}


@EITHER
def test_it_is_waited_for_and_reported(github: GitHub, upload: Upload) -> None:
    github.state.pending = 3
    code, log = upload(rendered(reports.SHAPES["alpine"]), checkout_path="/builds/octo/shop")
    assert code == Exit.DONE, log
    assert "complete; 2 results of Trivy" in log
    assert f"Alerts: {github.url}/octo/shop/security/code-scanning" in log
    (sarif_upload,) = github.state.uploads.values()
    assert {name: sarif_upload.request[name] for name in ("commit_sha", "ref", "tool_name", "checkout_uri")} == {
        "commit_sha": COMMIT,
        "ref": MAIN,
        "tool_name": "Trivy",
        "checkout_uri": "file:///builds/octo/shop/",
    }
    assert len(github.call_lines("GET .*sarifs/")) == 4
    assert states(github) == {1: "open", 2: "open"}


def test_what_was_set_aside_opens_no_alert_and_stays_closed(github: GitHub, upload: Upload) -> None:
    aside = reports.SHAPES["suppressed"]
    report = json.loads(aside)
    (result,) = report["Results"]
    result["Vulnerabilities"] = [result.pop("ExperimentalModifiedFindings")[0]["Finding"]]
    unsuppressed = json.dumps(report).encode()

    # Never seen before: nothing opens, although the report has it.
    whole = rendered(aside)
    assert b'"suppressions"' in whole
    assert upload(whole)[0] == Exit.DONE
    assert states(github) == {}
    # An open one closes when it is set aside, stays closed, and comes back under its number when the reason is gone.
    for report_, expected in (
        (unsuppressed, "open"),
        (aside, "fixed"),
        (aside, "fixed"),
        (unsuppressed, "open"),
        (aside, "fixed"),
    ):
        assert upload(rendered(report_))[0] == Exit.DONE
        assert states(github) == {1: expected}
    sent = [
        json.loads(gzip.decompress(b64decode(sarif_upload.request["sarif"])))
        for sarif_upload in github.state.uploads.values()
    ]
    assert not any(
        result.get("suppressions") for sarif_log in sent for run in sarif_log["runs"] for result in run["results"]
    )


def test_a_pull_request_and_another_image_leave_alerts_alone(github: GitHub, upload: Upload) -> None:
    web = reports.SHAPES["alpine"]
    api = web.replace(b"localhost:5000/web", b"localhost:5000/api")
    upload(rendered(web), rendered(api))
    assert states(github) == dict.fromkeys((1, 2, 3, 4), "open")
    upload(rendered(web.replace(b"web:3", b"web:4")), rendered(without(api)))
    assert states(github) == {1: "open", 2: "open", 3: "fixed", 4: "fixed"}
    upload(rendered(without(web)), rendered(api), ref="refs/pull/7/merge")
    assert states(github) == {1: "open", 2: "open", 3: "fixed", 4: "fixed"}


def test_what_code_scanning_refuses_is_reported_in_its_words(github: GitHub, upload: Upload) -> None:
    broken = json.loads(rendered(reports.SHAPES["alpine"]))
    broken["runs"][0]["results"][0]["message"]["text"] = ""
    code, log = upload(json.dumps(broken).encode())
    assert code == Exit.OUTSIDE_FAILED
    assert "Code scanning refused" in log
    assert "expected a message" in log
    assert states(github) == {}
    code, log = upload(json.dumps(broken).encode(), upload_required="false")
    assert (code, "expected a message" in log) == (Exit.DONE, True)


def test_what_it_would_refuse_minutes_later_is_reported_before_anything_is_sent(github: GitHub, upload: Upload) -> None:
    good = json.loads(rendered(reports.SHAPES["alpine"]))
    run = good["runs"][0]
    cases: list[tuple[Any, str]] = [
        ([], "is not a SARIF log"),
        (good | {"version": "2.0.0"}, "of version '2.0.0'"),
        (good | {"runs": [run] * 21}, "has 21 runs"),
        (good | {"runs": [run | {"results": run["results"] * 12_501}]}, "has 25,002 results in one run"),
    ]
    for document, expected in cases:
        code, log = upload(rendered(reports.SHAPES["alpine"]), json.dumps(document).encode())
        assert (code, expected in log) == (Exit.WRONG_INPUT, True), log
    places: list[tuple[dict[str, Any], str]] = [
        ({"artifactLocation": {"uri": ""}}, "has no location"),
        ({}, "has no location"),
        ({"artifactLocation": {"uri": "oci://x/y"}}, "is no file"),
        ({"artifactLocation": {"uri": "C:/app/x"}}, "is no file"),
        ({"artifactLocation": {"uri": "http://[x"}}, "is no URI"),
        ({"artifactLocation": {"uri": 5}}, "is no text"),
        ({"artifactLocation": {"uri": "a"}, "region": {"startLine": 0}}, "has no lines 0"),
        ({"artifactLocation": {"uri": "a"}, "region": {"startLine": 3, "endLine": 2}}, "has no lines 3 to 2"),
    ]
    for place, expected in places:
        code, log = upload(rendered(reports.SHAPES["alpine"]), changed(place))
        assert (code, expected in log, "1 results" in log) == (Exit.WRONG_INPUT, True, False), log
    assert github.calls == []


def test_without_waiting_the_log_says_so(github: GitHub, upload: Upload) -> None:
    github.state.pending = 10_000
    for wait in ("0", "1s"):
        code, log = upload(rendered(reports.SHAPES["alpine"]), wait=wait)
        assert code == Exit.DONE
        assert "uploaded, and GitHub has not looked at it yet" in log


SPOILED: dict[str, tuple[Callable[[GitHub], object], str]] = {
    "read-only": (
        lambda github: github.state.tokens.update({"run-token": Token(permissions=READ_ONLY)}),
        "security-events: write",
    ),
    "disabled": (lambda github: setattr(github.state, "code_scanning", False), "code scanning is not enabled"),
    "revoked": (lambda github: setattr(github.state.tokens["run-token"], "revoked", True), "does not know the token"),
    "too large": (lambda github: github.fail("POST .*sarifs", 413), "too large for GitHub"),
    "down": (lambda github: github.fail("POST .*sarifs", 503, times=9), "error of its own, several times"),
    "limited": (lambda github: github.fail("POST .*sarifs", 429, headers=LATER), "is used up until"),
    "another repository": (lambda github: setattr(github.state, "repository", "octo/other"), "has nothing there"),
    "no status": (lambda github: github.fail("GET .*sarifs/", 500, times=9), "is not known"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILED.values(), ids=SPOILED)
def test_what_goes_wrong_is_reported_and_fails_only_when_required(
    github: GitHub, upload: Upload, spoil: Callable[[GitHub], object], message: str
) -> None:
    repository = github.state.repository
    for required, expected in (("true", Exit.OUTSIDE_FAILED), ("false", Exit.DONE)):
        spoil(github)
        code, log = upload(rendered(reports.SHAPES["alpine"]), upload_required=required, repository=repository)
        assert code == expected, log
        assert message in log
        github.faults.clear()


def test_a_file_at_the_limit_is_sent_and_one_over_it_is_not(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.sarif"
    path.write_bytes(rendered(reports.SHAPES["alpine"]))
    report, target = (
        code_scanning.read(path),
        code_scanning.UploadTarget(repository="octo/shop", commit=COMMIT, ref=MAIN),
    )
    size = len(gzip.compress(report.data, mtime=0))
    monkeypatch.setattr(code_scanning, "MAX_BYTES", size)
    assert code_scanning.upload(client(github), target, report, wait=0, note=print).status == "pending"
    monkeypatch.setattr(code_scanning, "MAX_BYTES", size - 1)
    with pytest.raises(InputError, match="when packed, and code scanning takes"):
        code_scanning.upload(client(github), target, report, wait=0, note=print)
