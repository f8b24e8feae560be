"""One command from its arguments to its exit code, through both entry points: a shell and a runner's step."""

import errno
import io
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.cli import run as shell
from s3c_actions.core.errors import Exit, OutsideError, Refused
from s3c_actions.options.common import OutputOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean, choice, items, text
from s3c_actions.options.registry import CredentialOptions
from s3c_actions.result.model import ImageOutcome, Outcome, TraceResult
from s3c_actions.trace import page as story_page
from s3c_actions.wiring.context import Context
from tests.support import samples, stories
from tests.support.commands import FunctionCommand
from tests.support.hostile import HOSTILE, TEXTS
from tests.unit.cli.test_console import commands

IMAGE = Input(
    name="image",
    help="Images.",
    parse=items,
    required=True,
    positional=True,
    many=True,
    aliases={"image-ref": "trivy-action"},
)
SEVERITY = Input(name="severity", help="Severity.", parse=choice("LOW", "HIGH"), choices=("LOW", "HIGH"), default="LOW")
FIXABLE = Input(name="only-fixed", help="100 % fixable.", parse=boolean, default="false", absent=False, switch=True)
LABEL = Input(name="label", help="Label.", parse=text, absent="")


class Inputs(OutputOptions):
    image = IMAGE
    severity = SEVERITY
    only_fixed = FIXABLE
    label = LABEL
    registry_password = CredentialOptions.registry_password
    order = (image, severity, only_fixed, label, registry_password, OutputOptions)


@dataclass
class Ran:
    """How a run ended, and what the command was given."""

    code: int
    out: str
    err: str
    folder: Path
    given: dict[str, Any] = field(default_factory=dict)
    context: Context | None = None

    @property
    def result(self) -> dict[str, Any]:
        return json.loads((self.folder / "s3c-out" / "result.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command that gives back `outcome`, or raises it."""
    monkeypatch.chdir(tmp_path)

    def go(*argv: str, outcome: Any = None, environment: dict[str, str] | None = None, name: str = "scan") -> Ran:
        out, err = io.StringIO(), io.StringIO()
        ran = Ran(0, "", "", tmp_path)

        def do(options: Inputs, context: Context) -> Outcome:
            ran.given = {option.name: getattr(options, option.attribute) for option in Inputs.inputs()}
            ran.context = context
            (context.temp / "scratch").touch()
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome or samples.outcome(samples.chained(), command="scan")

        command = FunctionCommand(name="scan", help="Finds.", options=Inputs, function=do, examples=("s3c scan x",))
        monkeypatch.setattr(shell, "load", lambda _name: command)
        ran.code = shell.run(name, argv, environment or {"HOME": str(tmp_path)}, out, err)
        ran.out, ran.err = out.getvalue(), err.getvalue()
        return ran

    return go


@pytest.fixture
def runner(tmp_path) -> dict[str, str]:
    """The environment of a composite action's step: every input it declares is there, the ones not given empty."""
    for name in ("output", "summary"):
        (tmp_path / name).touch()
    (tmp_path / "temp").mkdir()
    return {
        "HOME": str(tmp_path),
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": "/actions",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "S3C_IMAGE": "app:1",
        "S3C_SEVERITY": "",
        "S3C_ONLY_FIXED": "false",
        "S3C_REGISTRY_PASSWORD": "",
    }


def outputs_of(path: Path) -> dict[str, str]:
    """As the runner reads the file (FileCommandManager.cs): name<<DELIMITER, lines, DELIMITER."""
    outputs, lines = {}, iter(path.read_text().splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        assert delimiter, line
        value = []
        while (part := next(lines)) != delimiter:
            value.append(part)
        assert name not in outputs
        outputs[name] = "\n".join(value)
    return outputs


def test_flags_and_bare_arguments_in_any_order(run) -> None:
    ran = run("a:1", "--severity", "high", "b:2", "--only-fixed", "c:3", "--label=x=y")
    assert ran.given == {
        "image": ("a:1", "b:2", "c:3"),
        "severity": "HIGH",
        "only-fixed": True,
        "label": "x=y",
        "registry-password": "",
        "output-dir": Path("s3c-out"),
    }
    assert ran.code == Exit.DONE
    assert ran.out.splitlines() == [
        "✔ voting-app:1.0-1 @ sha256:bbbbbbbbbbbb…   1 finding (1 low)   report: out/after/report.html",
        "  LOW  openssl  1.0 → no fix  CVE-2026-0003  openssl",
    ]
    assert ran.result["verdict"] == "passed"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [(["--only-fixed=false"], False), (["--no-only-fixed"], False), (["--only-fixed=yes"], True), ([], False)],
)
def test_a_switch_never_takes_the_argument_behind_it(run, argv, expected) -> None:
    assert run(*argv, "a:1").given["only-fixed"] is expected


def test_a_flag_wins_over_the_environment(run, tmp_path) -> None:
    environment = {"HOME": str(tmp_path), "S3C_IMAGE": "env:1\nenv:2", "S3C_SEVERITY": "HIGH", "S3C_LABEL": ""}
    assert run(environment=environment).given["image"] == ("env:1", "env:2")
    given = run("flag:1", "--severity", "LOW", environment=environment).given
    assert (given["image"], given["severity"]) == (("flag:1",), "LOW")


def test_another_tools_name_is_understood_with_a_notice(run, tmp_path) -> None:
    ran = run("--image-ref", "a:1")
    assert ran.given["image"] == ("a:1",)
    assert "`--image-ref` is trivy-action's name of `IMAGE`." in ran.err
    ran = run(environment={"HOME": str(tmp_path), "S3C_IMAGE_REF": "b:1"})
    assert ran.given["image"] == ("b:1",)
    assert run("a:1", "--image-ref", "b:1").code == Exit.WRONG_INPUT


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "image: this input is required."),
        (["--only-fixed", "true", "a"], "only-fixed: 'true' stands behind --only-fixed, which takes no value there"),
        (["a", "--severty", "LOW"], "--severty is not a flag of `s3c scan`.\n  Did you mean --severity?"),
        (["a", "--sev=LOW"], "--sev is not a flag"),
        (["a", "--severity", "WORSE"], "severity: 'WORSE' is not one of the words allowed.\n  Choose from LOW, HIGH."),
        (["a", "--severity"], "severity: given without a value."),
        (["a", "--severity", ""], "severity: given without a value."),
        (["a", "--severity", "LOW", "--severity", "HIGH"], "severity: given more than once."),
        (["a", "--only-fixed=maybe"], "only-fixed: 'maybe' is not true or false."),
        (["a", "--registry-password", "hunter2"], "registry-password: a secret is not taken from the command line"),
        (["a", "--registry-password=hunter2"], "registry-password: a secret is not taken from the command line"),
        (["a", "--registry-password-file", "/nowhere"], "registry-password-file: the file that is given"),
        (["a", "-x"], "-x is not a flag"),
    ],
)
def test_wrong_input_is_named(run, argv, message) -> None:
    ran = run(*argv)
    assert ran.code == Exit.WRONG_INPUT
    assert message in ran.err
    assert ran.err.startswith("s3c scan: ")
    assert "exit 2)" in ran.err
    assert "hunter2" not in ran.err
    assert ran.context is None


def test_an_unknown_command_is_named_with_a_suggestion(run) -> None:
    ran = run(name="scna")
    assert ran.code == Exit.WRONG_INPUT
    assert "'scna' is not a command of s3c.\n  Did you mean `s3c scan`?" in ran.err


def test_help_names_every_input(run) -> None:
    ran = run("--help")
    assert ran.code == Exit.DONE
    for option in Inputs.inputs():
        assert option.flag in ran.out or option.name.upper() in ran.out
    assert "--registry-password-file FILE" in ran.out
    assert "100 % fixable" in ran.out
    assert "image-ref" not in ran.out
    assert "s3c scan x" in ran.out


def test_secrets_are_hidden_from_everything(run, tmp_path) -> None:
    (tmp_path / "password").write_text("hunter22\n")
    failure = OutsideError("login with hunter22 failed", cause="hunter22", remedy="hunter22", original="u:hunter22")
    ran = run("a:1", "--registry-password-file", "password", "--debug", outcome=failure)
    assert ran.given["registry-password"] == "hunter22"
    assert ran.code == Exit.OUTSIDE_FAILED
    assert "login with *** failed" in ran.err
    everything = ran.out + ran.err + "".join(p.read_text() for p in (tmp_path / "s3c-out").iterdir())
    assert "hunter22" not in everything


def test_secrets_are_not_in_the_environment_of_programs(run, runner) -> None:
    runner["S3C_REGISTRY_PASSWORD"] = "hunter22"
    ran = run(environment=runner)
    assert ran.given["registry-password"] == "hunter22"
    assert ran.context is not None
    assert "hunter22" not in ran.context.runner.environment.values()
    assert "hunter22" not in ran.context.environment.values()
    assert commands(ran.out)[0] == "::add-mask::hunter22"


def test_temporary_files_go_where_the_runner_says_and_are_removed(run, runner, tmp_path) -> None:
    ran = run(environment=runner)
    assert ran.context is not None
    assert ran.context.temp.parent == tmp_path / "temp"
    assert ran.context.runner.environment["TMPDIR"] == str(ran.context.temp)
    assert list((tmp_path / "temp").iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({"HOME": "/home/x"}, "/home/x/.cache/s3c"),
        ({"HOME": "/home/x", "XDG_CACHE_HOME": "/c"}, "/c/s3c"),
        ({"S3C_CACHE": "/own", "XDG_CACHE_HOME": "/c"}, "/own"),
    ],
)
def test_where_the_cache_is(run, environment, cache) -> None:
    assert str(run("a", environment=environment).context.cache) == cache


def test_results_are_written_before_an_exit_code_other_than_0(run) -> None:
    ran = run("a:1", outcome=samples.outcome(samples.chained(), samples.refused("the gate is closed"), command="scan"))
    assert ran.code == Exit.REFUSED
    assert ran.result["verdict"] == "refused"
    assert ran.result["images"][1]["error"]["what"] == "the gate is closed"
    assert ran.err.startswith("✘ the gate is closed\n")
    assert "✔" in ran.out
    assert (ran.folder / "s3c-out" / "summary.md").read_text()


def test_a_bug_while_the_result_is_rendered_is_a_bug_and_no_verdict(run, monkeypatch) -> None:
    def broken(*_: object) -> str:
        raise NameError("bug")

    monkeypatch.setattr("s3c_actions.report.github.summary.render", broken)
    ran = run("a:1")
    assert ran.code == Exit.BUG
    assert "Traceback" in ran.err and "this is a bug of s3c" in ran.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutsideError("down"), Exit.OUTSIDE_FAILED),
        (Refused("no"), Exit.REFUSED),
        (OSError(errno.ENOSPC, "No space left on device", "/cache/db"), Exit.OUTSIDE_FAILED),
        (PermissionError(errno.EACCES, "Permission denied", "/cache/db"), Exit.OUTSIDE_FAILED),
        (MemoryError(), Exit.OUTSIDE_FAILED),
        (KeyError("bug"), Exit.BUG),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), Exit.BUG),
    ],
)
def test_an_error_that_ends_it_is_in_the_result(run, error, code) -> None:
    ran = run("a:1", outcome=error)
    assert ran.code == code
    assert ran.result["exit_code"] == code
    assert ran.result["error"]["what"]
    assert ("Traceback" in ran.err) == (code == Exit.BUG)
    if code == Exit.BUG:
        assert re.search(r"s3c \d+\.\d+\.\d+, Python 3", ran.err)
    if isinstance(error, OSError) and code != Exit.BUG:
        assert "/cache/db could not be written" in ran.err


def test_wrong_input_is_in_the_result(run) -> None:
    assert run().result["error"]["field"] == "image"


def test_an_output_folder_that_cannot_be_made_is_wrong_input(run, tmp_path) -> None:
    (tmp_path / "file").touch()
    ran = run("a", "--output-dir", "file")
    assert ran.code == Exit.WRONG_INPUT
    assert "output-dir: file could not be written" in ran.err


@pytest.mark.parametrize("link", ["s3c-out", "s3c-out/summary.md", "s3c-out/result.json", "s3c-out/app/trivy.json"])
def test_a_link_out_of_the_workspace_is_refused_before_anything_is_done(run, tmp_path, link) -> None:
    (tmp_path / ".git").mkdir()
    home = tmp_path.parent / f"{tmp_path.name}-home"
    home.mkdir()
    (home / "kept").write_text("kept")
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(home if link == "s3c-out" else home / "kept")
    ran = run("a")
    assert ran.code == Exit.WRONG_INPUT
    assert "leads out of the workspace" in ran.err
    assert ran.given == {}
    assert {path.name: path.read_text() for path in home.iterdir()} == {"kept": "kept"}


def test_a_link_that_comes_between_two_runs_is_refused(run, tmp_path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path.parent / f"{tmp_path.name}-home").write_text("kept")

    ran = run("a")
    (tmp_path / "s3c-out" / "result.json").unlink()
    (tmp_path / "s3c-out" / "result.json").symlink_to(tmp_path.parent / f"{tmp_path.name}-home")
    assert ran.code == Exit.DONE
    assert run("a").code == Exit.WRONG_INPUT
    assert (tmp_path.parent / f"{tmp_path.name}-home").read_text() == "kept"


@pytest.mark.parametrize("name", ["summary.md", "result.json"])
def test_a_fifo_in_a_reports_place_is_replaced(run, tmp_path, name) -> None:
    (tmp_path / "s3c-out").mkdir()
    os.mkfifo(tmp_path / "s3c-out" / name)
    assert run("a").code == Exit.DONE
    assert (tmp_path / "s3c-out" / name).is_file()


@pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_a_fifo_in_place_of_the_runners_file_is_wrong_input(run, runner, tmp_path, name) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert run(environment={**runner, name: str(tmp_path / "fifo")}).code == Exit.WRONG_INPUT


def test_an_interrupt_is_passed_on(run) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("a", outcome=KeyboardInterrupt())


def test_quiet_prints_what_a_script_needs(run) -> None:
    ran = run("--quiet", "a:1")
    assert ran.out == f"{samples.NAME}@{samples.PATCHED}\n"
    assert ran.err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variable", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_colors_are_for_terminals_that_take_them(run, tmp_path, monkeypatch, variable, colored) -> None:
    monkeypatch.setattr(io, "StringIO", Terminal)
    ran = run("a:1", outcome=samples.outcome(samples.refused(), command="scan"), environment={**variable, "HOME": "/"})
    assert ("\x1b[31m✘\x1b[0m voting-app:2.0" in ran.out) is colored
    assert ("\x1b[1;31m1 critical\x1b[0m" in ran.out) is colored
    assert ("\x1b[31m✘\x1b[0m" in ran.err) is colored
    assert ("\x1b" in ran.out + ran.err) is colored


def test_without_a_gate_a_scan_ends_with_a_neutral_line_and_the_report(run) -> None:
    scan = replace(samples.scan(*(samples.finding(number=number) for number in range(1, 13))), gated=False)
    image = ImageOutcome(image=f"{samples.NAME}:1.0", reference=scan.reference, scan=scan)
    ran = run("a", outcome=Outcome(command="scan", images=(image,)))
    first, *rows = ran.out.splitlines()
    assert first == (
        "● voting-app:1.0 @ sha256:aaaaaaaaaaaa…   12 findings (12 high)   No gate was set (fail-on: none)   "
        "report: out/report.html"
    )
    assert len(rows) == 11
    assert rows[0] == "  HIGH  openssl  1.0 → 1.1  CVE-2026-0001  openssl"
    assert rows[-1] == "  2 more: out/report.html"
    assert "✔" not in ran.out


def test_images_of_one_short_name_are_told_apart(run) -> None:
    images = [replace(samples.refused(), image=f"{name}/voting-app:2.0") for name in ("a.example", "b.example")]
    ran = run("a", outcome=samples.outcome(*images, command="scan"))
    assert "✘ a.example/voting-app:2.0 @" in ran.out
    assert "✘ b.example/voting-app:2.0 @" in ran.out


def test_quiet_prints_references_in_place_of_a_story(run) -> None:
    ran = run("--quiet", "a", outcome=Outcome(command="trace", images=(samples.chained(),), text="a story"))
    assert ran.out == f"{samples.NAME}@{samples.PATCHED}\n"


def test_json_prints_the_document_and_nothing_else(run) -> None:
    outcome = samples.outcome(samples.chained(), samples.refused("the gate is closed"), command="scan")
    ran = run("a", "--json", outcome=outcome)
    assert json.loads(ran.out) == ran.result
    assert ran.code == Exit.REFUSED
    assert "the gate is closed" in ran.err
    assert "✔ voting-app:1.0-1" in ran.err


def test_json_in_a_workflow_leaves_standard_output_to_the_document(run, runner) -> None:
    ran = run("--json", environment=runner)
    assert json.loads(ran.out) == ran.result
    assert "::group::" in ran.err


@pytest.mark.parametrize("outcome", [OutsideError("down"), ValueError("bug")], ids=["failed", "bug"])
def test_json_of_a_command_that_failed(run, outcome) -> None:
    document = json.loads(run("a", "--json", outcome=outcome).out)
    assert (document["verdict"], bool(document["error"]["what"])) == ("failed", True)


def test_json_of_a_command_line_that_is_wrong(run) -> None:
    ran = run("a", "--json", "--severty", "LOW")
    document = json.loads(ran.out)
    assert (document["exit_code"], document["command"]) == (2, "scan")
    assert "--severty" in document["error"]["what"]
    assert "--severty" in ran.err


def test_an_answer_is_printed_and_nothing_else(run) -> None:
    ran = run("a", outcome=Outcome(command="scan", images=(samples.chained(),), text="NAME  PATH\ntrivy \x1b[31m/x"))
    assert ran.out == "NAME  PATH\ntrivy /x\n"


def test_a_step_of_a_workflow(run, runner, tmp_path) -> None:
    ran = run(environment=runner)
    assert ran.code == Exit.DONE
    outputs = outputs_of(tmp_path / "output")
    assert outputs["digest"] == samples.PATCHED
    assert outputs["verdict"] == "passed"
    assert "sarif-folder" not in outputs
    written = (tmp_path / "s3c-out" / "summary.md").read_text()
    shown = (tmp_path / "summary").read_text()
    # The file lies beside the pages, and links to them; what GitHub shows does not.
    assert written.startswith(shown.rstrip("\n"))
    assert "**Pages**" in written
    assert "**Pages**" not in shown
    assert ran.err == ""


def test_sarif_of_the_last_scan_is_laid_out_for_the_upload(run, runner, tmp_path) -> None:
    runner["S3C_UPLOAD_SARIF"] = "true"
    for name in ("out", "out/after"):
        (tmp_path / name).mkdir()
        results = [{"ruleId": name}, {"ruleId": "ignored", "suppressions": [{"kind": "external"}]}]
        (tmp_path / name / "report.sarif").write_text(json.dumps({"runs": [{"results": results}]}))
    run(environment=runner)
    folder = Path(outputs_of(tmp_path / "output")["sarif-folder"])
    # GitHub would make an open alert of a suppressed result.
    assert [json.loads(path.read_text()) for path in folder.iterdir()] == [
        {"runs": [{"results": [{"ruleId": "out/after"}]}]}
    ]
    runner["S3C_UPLOAD_SARIF"] = "perhaps"
    assert run(environment=runner).code == Exit.WRONG_INPUT


def test_the_pages_of_stories_are_laid_out_to_be_kept(run, runner, tmp_path) -> None:
    images = []
    for name in ("app", "db"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trace.html").write_text(name)
        trace = TraceResult(reference="", story=stories.patched(), files={"trace": tmp_path / name / "trace.html"})
        images.append(replace(samples.chained(), image=f"{name}:1", trace=trace))
    names = []
    for job in ("build", "build", "other"):
        (tmp_path / "output").write_text("")
        run(outcome=samples.outcome(*images, samples.refused()), environment=runner | {"GITHUB_JOB": job})
        outputs = outputs_of(tmp_path / "output")
        kept = {path.name: path.read_text() for path in Path(outputs["trace-folder"]).iterdir()}
        assert set(kept) == {"app.html", "db.html"}
        # What is kept is the page without links: nothing lies beside it.
        for name, page in kept.items():
            assert page == story_page.render(stories.patched()).decode()
            assert 'class="related"' in (tmp_path / name.removesuffix(".html") / "trace.html").read_text()
        names.append(outputs["trace-artifact"])
    assert re.fullmatch("s3c-trace-app-[0-9a-f]{8}", names[0])
    assert (names[0] == names[1], names[0] == names[2]) == (True, False)


def test_every_platforms_sarif_is_uploaded(run, runner, tmp_path) -> None:
    runner["S3C_UPLOAD_SARIF"] = "true"
    for name in ("amd64", "arm64"):
        (tmp_path / f"{name}.sarif").write_text(json.dumps({"runs": [{"results": [{"ruleId": name}]}]}))
    image = samples.chained()
    assert image.patch is not None
    assert image.patch.after is not None
    whole = image.patch.after
    parts = tuple(replace(whole, files={"sarif": tmp_path / f"{name}.sarif"}) for name in ("amd64", "arm64"))
    after = replace(whole, files=parts[0].files, parts=parts)
    run("a:1", outcome=samples.outcome(replace(image, patch=replace(image.patch, after=after))), environment=runner)
    folder = Path(outputs_of(tmp_path / "output")["sarif-folder"])
    assert [json.loads(path.read_text())["runs"][0]["results"][0]["ruleId"] for path in sorted(folder.iterdir())] == [
        "amd64",
        "arm64",
    ]


@TEXTS
def test_hostile_text_through_a_shell(run, text) -> None:
    hostile = samples.outcome(samples.chained(text), samples.refused(text), command="scan")
    ran = run("a:1", outcome=hostile)
    assert ran.code == Exit.REFUSED
    assert (ran.out + ran.err).replace("\n", "").isprintable()
    assert len((ran.out + ran.err).splitlines()) <= 50
    assert not (ran.folder / "pwned").exists()


@TEXTS
def test_hostile_text_through_a_step(run, runner, tmp_path, text) -> None:
    image = ImageOutcome(image=text, failure=OutsideError(text, image=text, original=text))
    ran = run(
        environment=runner, outcome=samples.outcome(samples.chained(text), samples.refused(text), image, command="scan")
    )
    assert ran.code == Exit.OUTSIDE_FAILED
    acted = [line for line in commands(ran.out) if not line.startswith("::stop-commands::")]
    tables = ["::group::✔", "::endgroup::", "::group::✘", "::endgroup::"]
    assert [line.partition(" ")[0] for line in acted] == [*tables, "::error", "::error"]
    outputs = outputs_of(tmp_path / "output")
    assert json.loads(outputs["digest"]) == [samples.PATCHED, samples.DIGEST, None]
    assert outputs["verdict"] == "failed"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, marks=[pytest.mark.slow] if len(text) > 100_000 else [])
        for text in HOSTILE.values()
        if text.strip() and "\x00" not in text
    ],
    ids=lambda t: t[:12],
)
def test_hostile_input_through_both(run, runner, text) -> None:
    for ran in (run("a", f"--severity={text}"), run(environment={**runner, "S3C_SEVERITY": text})):
        assert ran.code == Exit.WRONG_INPUT
        assert (ran.out + ran.err).replace("\n", "").isprintable()
        assert len(ran.out + ran.err) < 5000
    acted = [line for line in commands(ran.out) if not line.startswith("::stop-commands::")]
    assert [line.partition(" ")[0] for line in acted] == ["::error"]


def test_a_summary_is_cut_at_whole_lines_within_the_limit(tmp_path) -> None:
    from s3c_actions.github.files import SUMMARY_BYTES, append_summary

    path = tmp_path / "summary"
    path.write_text("x" * 1000)
    row = "| CVE-2026-0001 | ü |\n"
    append_summary(
        "<details>\n\n| a | b |\n|---|---|\n" + row * 80_000 + "</details>\n", {"GITHUB_STEP_SUMMARY": str(path)}
    )
    appended = path.read_text()[1000:]
    assert SUMMARY_BYTES - 5000 < path.stat().st_size < SUMMARY_BYTES
    rows, _, ending = appended.rpartition(row)
    assert ending.split() == ["</details>", *["_Cut", "here:", "the", "rest", "is", "in", "the", "summary", "file._"]]
    assert set(rows.splitlines()[5:]) == {row.strip()}
    append_summary("one more", {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.stat().st_size < SUMMARY_BYTES


def test_outside_a_runner_there_is_nowhere_to_put_outputs(tmp_path, monkeypatch) -> None:
    from s3c_actions.github.files import append_summary, set_outputs

    monkeypatch.chdir(tmp_path)
    set_outputs({"a": "b"}, {})
    append_summary("x", {})
    assert list(tmp_path.iterdir()) == []


def test_programs_see_no_secret_of_any_command_and_no_path_into_the_workspace(run, tmp_path) -> None:
    """Also one at job level that another command takes."""
    secrets = ("S3C_REGISTRY_PASSWORD", "S3C_SOURCE_PASSWORD", "S3C_KEY_PEM", "GITHUB_TOKEN")
    path = f":{tmp_path / 'bin'}:/usr/bin:bin:"
    environment = {"HOME": "/root", "PATH": path, **dict.fromkeys(secrets, "hunter2")}
    context = run("a:1", environment=environment).context
    assert not set(secrets) & set(context.runner.environment)
    assert context.runner.environment["PATH"] == "/usr/bin"
    assert context.environment["GITHUB_TOKEN"] == "hunter2"


def test_a_cache_that_others_may_write_is_replaced_with_a_notice(run, tmp_path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all").chmod(0o777)
    given = {"HOME": "/root", "S3C_CACHE": str(tmp_path / "all"), "S3C_STATE": str(tmp_path / "state")}
    ran = run("a:1", environment=given)
    assert ran.context.cache == tmp_path / "state" / "cache"
    assert "is not used: other users may write to it" in ran.err
