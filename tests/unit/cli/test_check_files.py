"""Files are checked before they are committed: every wrong one is named, and the day alone fails nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from s3c_actions.cli import check_files

EXCEPTION = """\
version: 1
exceptions:
  - {id: CVE-2023-45853, until: 2020-01-31, why: not called, who: security}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(kind: str, *paths: str) -> tuple[int, str]:
    stream = io.StringIO()
    return check_files.check(kind, paths, stream), stream.getvalue()


def test_every_file_that_is_wrong_is_named(folder: Path) -> None:
    (folder / "a.yaml").write_text("version: 1\nfindings: {refuse: [HIGHT]}\n")
    (folder / "b.yaml").write_text("version: 1\n")
    (folder / "c.yaml").write_text("version: 7\n")
    code, printed = checked("policy", "a.yaml", "b.yaml", "c.yaml", "none.yaml")
    assert code == 2
    assert [name for name in ("a.yaml", "b.yaml", "c.yaml", "none.yaml") if name in printed] == [
        "a.yaml",
        "c.yaml",
        "none.yaml",
    ]
    assert "HIGHT" in printed


@pytest.mark.parametrize(
    ("kind", "name", "text", "message"),
    [
        ("policy", "s3c-policy.yaml", EXCEPTION, "CVE-2023-45853 by security ended on 2020-01-31"),
        ("ignore-files", ".trivyignore", "CVE-2023-45853 exp:2020-01-31\n", "is reported again"),
    ],
)
def test_what_has_ended_is_named_and_fails_nothing(folder: Path, kind: str, name: str, text: str, message: str) -> None:
    (folder / name).write_text(text)
    code, printed = checked(kind, name)
    assert code == 0
    assert printed.startswith(f"{name}: ")
    assert message in printed


def test_an_ignore_file_that_trivy_would_not_understand(folder: Path) -> None:
    (folder / ".trivyignore.yaml").write_text("vulnerabilitys: []\n")
    code, printed = checked("ignore-files", ".trivyignore.yaml")
    assert code == 2
    assert "vulnerabilities" in printed


@pytest.mark.parametrize("arguments", [[], ["reports"], ["--help"]])
def test_the_kind_has_to_be_given(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert check_files.main(arguments) == 2
    assert "policy or ignore-files" in capsys.readouterr().err
