"""A report format is a module and a line of the registry: everything else follows from that line."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from s3c_actions.cli import help_text
from s3c_actions.options.command import Command, load
from s3c_actions.options.declare import Group, Input
from s3c_actions.report import format_registry, formats, rendering
from s3c_actions.report.format_registry import FORMATS, Format
from s3c_actions.steps.scan.reports import clear_reports
from tests.support import ROOT, outcomes
from tools import docs

XUNIT = Format("xunit", "report.xunit.xml", renderer="xunit")
OPTIONS = ROOT / "s3c_actions" / "options" / "report.py"
CORPUS = ROOT / "tests" / "unit" / "report" / "test_hostile.py"


@pytest.fixture
def xunit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format more, added as a person adds it."""
    module: Any = ModuleType("s3c_actions.report.formats.xunit")
    module.render = lambda report, _rendering: f"<testsuites name='{report.image}'/>".encode()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(format_registry, "FORMATS", (*FORMATS, XUNIT))


def executed(path: Path) -> dict[str, Any]:
    """The names of a module that is executed anew."""
    return runpy.run_path(str(path))


def help_of(declared: Input[Any]) -> str:
    options = type("Options", (Group,), {"format": declared})
    return help_text.command_help(Command(name="report", help="Reports.", options=options, implementation=""))


@pytest.mark.usefixtures("xunit")
def test_it_is_a_word_of_the_input_and_of_its_help() -> None:
    given = executed(OPTIONS)["FormatOptions"].format
    (before,) = (declared for declared in load("report").inputs if declared.name == "format")
    assert given.parse("xunit\ncsv") == ("xunit", "csv")
    assert "xunit" not in help_of(before)
    assert "xunit" in help_of(given)


@pytest.mark.usefixtures("xunit")
def test_it_stands_in_the_tables_of_the_readmes() -> None:
    action = docs.Action("actions/trivy-scan", "scan", (executed(OPTIONS)["FormatOptions"].format,))
    before, after = (row for row in docs.parts(action)["inputs-table"] if row.startswith("| `format` |"))
    assert "`xunit`" not in before
    assert "`cosign-vuln`, `xunit`." in after


@pytest.mark.usefixtures("xunit")
def test_it_is_held_to_the_hostile_texts() -> None:
    corpus = executed(CORPUS)
    for name in ("test_format", "test_format_of_any_text"):
        ((_, forms),) = (mark.args for mark in corpus[name].pytestmark if mark.args[0] == "form")
        assert forms[-1] == "xunit"
    # It has no check yet, and that is a failure.
    with pytest.raises(KeyError, match="xunit"):
        corpus["CHECKS"][XUNIT.name]


@pytest.mark.usefixtures("xunit")
def test_it_is_written_and_cleared(tmp_path: Path) -> None:
    report = outcomes.report()
    written = formats.write(("xunit", "cyclonedx"), report, rendering.Rendering(), tmp_path)
    assert written == {"xunit": tmp_path / "report.xunit.xml"}
    assert written["xunit"].read_text() == f"<testsuites name='{report.image}'/>"
    clear_reports(tmp_path)
    assert not written["xunit"].exists()


def test_names_and_files_are_used_once() -> None:
    assert len({form.name for form in FORMATS}) == len({form.file for form in FORMATS}) == len(FORMATS)


def test_each_is_made_in_one_way_and_the_first_by_the_scan() -> None:
    assert [bool(form.renderer) + bool(form.trivy) for form in FORMATS] == [0] + [1] * (len(FORMATS) - 1)


@pytest.mark.parametrize("form", [form for form in FORMATS if form.renderer], ids=lambda form: form.name)
def test_a_module_renders_it(form: Format) -> None:
    assert form.load().render(outcomes.report(), rendering.Rendering())
