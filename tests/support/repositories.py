"""The sample repositories of `tests/data/init`, as they would lie on a disk."""

import json
import shutil
from pathlib import Path

from tests.support import ROOT

DATA = ROOT / "tests" / "data" / "init"
SAMPLES = tuple(sorted(path.name for path in DATA.iterdir() if path.is_dir()))


def write(name: str, folder: Path) -> Path:
    """Write a sample repository into a folder, which is made, and return it."""
    shutil.copytree(DATA / name, folder)
    for part in ("git", "github"):
        if (folder / f"dot-{part}").exists():
            (folder / f"dot-{part}").rename(folder / f".{part}")
    names = folder / "names.json"
    if names.exists():
        listed = json.loads(names.read_text())
        names.unlink()
        for path, text in listed["files"].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        for path, target in listed["links"].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(target)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return path → content of every file below a folder; links are not followed."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
