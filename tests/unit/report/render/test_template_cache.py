"""Compiled templates, kept as Python keeps its compiled modules."""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2
import pytest

from s3c_actions.report.render import template_cache

TEXT = "Hello {{ name }}"


def environment(by: str) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.DictLoader({"x": TEXT}), autoescape=True, bytecode_cache=template_cache.open_template_cache(by)
    )


def render(environment: jinja2.Environment) -> str:
    return environment.get_template("x").render(name="<you>")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    return tmp_path


def test_a_template_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert render(environment("one")) == "Hello &lt;you&gt;"
    (kept,) = folder.rglob("*.jinja")
    monkeypatch.setattr(jinja2.Environment, "_generate", None)
    assert render(environment("one")) == "Hello &lt;you&gt;"
    with pytest.raises(TypeError):
        render(environment("another"))
    assert list(folder.rglob("*.jinja")) == [kept]


def test_what_is_no_compiled_template_is_made_anew(folder: Path) -> None:
    render(environment("one"))
    (kept,) = folder.rglob("*.jinja")
    for rubbish in (b"", b"rubbish", kept.read_bytes()[:-5]):
        kept.write_bytes(rubbish)
        assert render(environment("one")) == "Hello &lt;you&gt;"


def test_nothing_is_kept_where_python_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert template_cache.open_template_cache("one") is None
    assert render(environment("one")) == "Hello &lt;you&gt;"
    assert list(folder.rglob("*")) == []


def test_a_folder_that_cannot_be_written_is_no_trouble(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("")
    monkeypatch.setattr(sys, "pycache_prefix", str(folder / "file"))
    assert render(environment("one")) == "Hello &lt;you&gt;"
