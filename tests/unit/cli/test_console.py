"""The consoles: whatever text they are given, they show lines of printable text, and no more lines than are theirs."""

import io
import re

import pytest

from s3c_actions.cli.console import LogProgress, QuietProgress, TerminalProgress, error_lines
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.github.log import ANNOTATIONS, ActionsProgress, ActionsSecrets
from s3c_actions.report.render.terminal import plain_line
from tests.support.hostile import TEXTS


def commands(log: str) -> list[str]:
    """The lines that the runner acts upon, as its own parser reads the log (ActionCommand.cs)."""
    acted, token = [], ""
    for line in re.split(r"\r\n|\r|\n", log):
        new = re.match(r"\s*::([^: ]+)(?: (.*?))?::(.*)", line)
        if token:
            if new and new[1] == token:
                token = ""
            continue
        if new:
            acted.append(line)
            if new[1] == "stop-commands":
                token = new[3]
        elif "##[" in line:
            acted.append(line)
    assert not token, "commands are still stopped at the end"
    return acted


def tell_all(progress, text: str) -> None:
    progress.show_heading(text)
    with progress.step(text) as step:
        progress.note(text)
        progress.notice(text)
        with progress.step("inner") as inner:
            progress.note(text)
            inner.done(text)
        progress.warning(text)
        step.done(text)
    with pytest.raises(OutsideError), progress.step("failing"):
        raise OutsideError("x")


@TEXTS
def test_plain_is_one_printable_line(text) -> None:
    shown = plain_line(text)
    assert shown.isprintable()
    assert len(shown) <= 2000


def test_plain_keeps_what_is_harmless() -> None:
    assert plain_line("libssl3 3.0.11-1~deb12u2 → Größe 中文 ✔") == "libssl3 3.0.11-1~deb12u2 → Größe 中文 ✔"
    assert plain_line("\x1b[31mred\x1b[0m and\tblue\n") == "red and blue"


@TEXTS
@pytest.mark.parametrize("kind", [LogProgress, TerminalProgress, QuietProgress])
def test_plain_consoles_show_no_control_characters(kind, text) -> None:
    stream = io.StringIO()
    tell_all(kind(stream) if kind is not TerminalProgress else kind(stream, color=False), text)
    assert stream.getvalue().replace("\n", "").isprintable()
    # A name, a notice, a warning, three steps and, wrapped on a terminal, their sentences: no text brings own lines.
    unwrapped = [line for line in stream.getvalue().splitlines() if not line.startswith(" " * 9)]
    assert len(unwrapped) <= 7


@TEXTS
def test_the_actions_log_has_our_commands_only(text) -> None:
    stream = io.StringIO()
    log = ActionsProgress(stream)
    tell_all(log, text)
    log.print(text)
    log.annotate("error", text, title=text)
    log.close()
    named = [re.match(r"::([a-z-]+)", line)[1] for line in commands(stream.getvalue())]  # type: ignore[index]
    assert set(named) == {"group", "endgroup", "notice", "warning", "error", "stop-commands"}
    assert [name for name in named if name != "stop-commands"] == [
        *["group", "notice", "warning", "endgroup"],
        *["group", "endgroup", "error"],
    ]
    assert named.count("notice") == 1


def test_escapes_of_a_workflow_command() -> None:
    stream = io.StringIO()
    ActionsProgress(stream).annotate("error", "100%\nsecond: line, here", title="a:b,c%")
    assert stream.getvalue() == "::error title=a%3Ab%2Cc%25::100%25%0Asecond: line, here\n"


def test_annotations_are_few_and_short() -> None:
    stream = io.StringIO()
    log = ActionsProgress(stream)
    for number in range(ANNOTATIONS + 5):
        log.warning(f"{number} " + "x" * 10_000)
    log.close()
    annotations = [line for line in commands(stream.getvalue()) if line.startswith("::warning")]
    assert len(annotations) == ANNOTATIONS
    assert max(map(len, annotations)) < 4200
    assert "warning: 14 x" in stream.getvalue()


def test_a_secret_is_masked_once_and_line_by_line_before_anything_shows_it() -> None:
    stream = io.StringIO()
    log = ActionsProgress(stream)
    secrets = ActionsSecrets(log)
    log.note("something before")
    secrets.add("first line\nsecond line")
    secrets.add("first line")
    log.close()
    masks = [line for line in commands(stream.getvalue()) if line.startswith("::add-mask::")]
    assert masks == ["::add-mask::first line", "::add-mask::first line%0Asecond line", "::add-mask::second line"]
    assert secrets.redact("the second line") == "the ***"


def test_a_log_shows_a_step_with_its_sentence_and_time() -> None:
    stream = io.StringIO()
    log = LogProgress(stream)
    with log.step("scan") as step:
        log.note("$ trivy image x")
        step.done("35 fixable")
    assert re.fullmatch(r"scan     35 fixable  \(0\.\d s\)\n", stream.getvalue())


def test_a_long_step_shows_that_it_lives() -> None:
    stream = io.StringIO()
    log = LogProgress(stream, heartbeat=0.0)
    with log.step("patch"):
        log.note("exporting layers")
    assert "exporting layers" in stream.getvalue()


def test_a_terminal_shows_a_line_for_each_step() -> None:
    stream = io.StringIO()
    with TerminalProgress(stream, color=False).step("rescan") as step:
        step.done("0 fixable left")
    assert re.fullmatch(r"rescan   0 fixable left +0\.\d s\n", stream.getvalue())


def test_colour_is_ours_to_take_away() -> None:
    for color, expected in ((True, "\x1b[33mwarning: x\x1b[0m\n"), (False, "warning: x\n")):
        stream = io.StringIO()
        TerminalProgress(stream, color=color).warning("x")
        assert stream.getvalue() == expected


def test_quiet_shows_warnings_alone() -> None:
    stream = io.StringIO()
    progress = QuietProgress(stream)
    with progress.step("scan") as step:
        progress.note("n")
        progress.notice("o")
        progress.warning("w")
        step.done("d")
    assert stream.getvalue() == "warning: w\n"


def test_an_error_reads_as_what_cause_remedy_and_original() -> None:
    error = OutsideError(
        "BuildKit did not answer.", cause="No daemon runs.", remedy="Start one.", image="app:1", original="dial"
    )
    assert error_lines("patch", error) == [
        "s3c patch: BuildKit did not answer.",
        "  No daemon runs.",
        "  Start one.      (image app:1; exit 3)",
        "  It said:",
        "    dial",
    ]


@TEXTS
def test_an_error_holds_its_form(text) -> None:
    error = InputError("image", text, cause=text, image=text, original=text)
    lines = error_lines("scan", error)
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith("s3c scan: image:")
    assert len(lines) <= 23
