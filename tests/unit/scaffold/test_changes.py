"""Changes are written all or none, and no link leads one elsewhere."""

import os
from pathlib import Path

import pytest

from s3c_actions.core import writing
from s3c_actions.core.errors import InputError
from s3c_actions.scaffold import changes
from s3c_actions.scaffold.changes import Change
from tests.support import repositories


def new(path, text="new\n", before=None, private=False):
    return Change(path=path, before=before, after=text.encode(), private=private)


def test_new_changed_and_private_files(tmp_path):
    (tmp_path / "b").write_text("old\n")
    (tmp_path / "b").chmod(0o640)
    changes.write_all(tmp_path, [new("a/x/y"), new("b", before=b"old\n"), new("k/key", private=True)])
    assert repositories.contents(tmp_path) == {"a/x/y": b"new\n", "b": b"new\n", "k/key": b"new\n"}
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("b", "k/key")] == [0o640, 0o600]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_when_one_fails_all_is_as_it_was(tmp_path, monkeypatch, failing):
    (tmp_path / "b").write_text("old\n")
    before = repositories.contents(tmp_path)
    replace, calls = Path.replace, []

    def fail(self, target):
        if str(self.name).startswith(".s3c-") and self.parent != tmp_path / "undo":
            calls.append(target)
            if len(calls) == failing + 1:
                raise OSError(28, "No space left on device", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        changes.write_all(tmp_path, [new("a/x/y"), new("b", before=b"old\n"), new("c")])
    assert repositories.contents(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


def test_a_file_changed_meanwhile_ends_it(tmp_path):
    (tmp_path / "b").write_text("newer\n")
    with pytest.raises(InputError, match="changed meanwhile"):
        changes.write_all(tmp_path, [new("a"), new("b", before=b"old\n")])
    assert repositories.contents(tmp_path) == {"b": b"newer\n"}


@pytest.mark.parametrize("link", ["f", "d"])
def test_a_link_is_not_followed(tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / link).symlink_to(outside / "x" if link == "f" else outside)
    path = "f" if link == "f" else "d/f"
    with writing.guard_links(root), pytest.raises(InputError, match=f"{path}: {link} is a link"):
        changes.write_all(root, [new("a"), new(path)])
    assert [*outside.iterdir()] == []
    assert sorted(entry.name for entry in root.iterdir()) == [link]


def test_a_folder_or_fifo_in_the_way_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "b")
    for name in ("a", "b"):
        with pytest.raises(InputError, match=rf"^{name}: it cannot be read"):
            changes.read_present(tmp_path, name)


def test_the_diff_is_one_that_patch_reads():
    shown = changes.diff([new("a/x"), new("b", "x\nnew", before=b"x\nold")])
    assert shown == (
        "--- /dev/null\n+++ b/a/x\n@@ -0,0 +1 @@\n+new\n"
        "--- a/b\n+++ b/b\n@@ -1,2 +1,2 @@\n x\n"
        "-old\n\\ No newline at end of file\n+new\n\\ No newline at end of file\n"
    )
