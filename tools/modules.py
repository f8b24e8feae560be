"""Regenerate the go.mod and go.sum of the pinned programs: `make modules`, or `python -m tools.modules NAME…`.

One small module for each program, because they need different versions of the same libraries, and because `go install`
refuses modules that replace dependencies. The go directive is at least GO, or what the program requires.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from s3c_actions.programs.install.pins import PINS, Pin
from s3c_lab import programs as lab

GO = "1.26.0"


def main(names: list[str]) -> int:
    """Write the modules of the named programs, or of all."""
    pins = {pin.name: pin for pin in (*PINS, *lab.PINS)}
    unknown = sorted(set(names) - set(pins))
    if unknown:
        print(f"{', '.join(unknown)}: no such program. There are {', '.join(pins)}.", file=sys.stderr)
        return 2
    for name in names or pins:
        _write(pins[name])
        print(f"✔ {name}")
    return 0


def _write(pin: Pin) -> None:
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        downloaded = json.loads(_go(pin, folder, "mod", "download", "-json", f"{pin.module}@v{pin.version}"))
        upstream = Path(downloaded["GoMod"]).read_text()
        text = f"module s3c.invalid/programs/{pin.name}\n\ngo {GO}\n\n" + "\n".join(replacements(upstream)) + "\n"
        (folder / "go.mod").write_text(text)
        _go(pin, folder, "get", "-tool", f"{pin.package}@v{pin.version}")
        _go(pin, folder, "mod", "tidy")
        target = pin.modules / pin.name
        target.mkdir(parents=True, exist_ok=True)
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(folder / name, target / name)


def replacements(go_mod: str) -> list[str]:
    """Return the replace lines of a go.mod, without those by a folder of its repository, which no proxy serves."""
    replacing = []
    for block in re.finditer(r"^replace\s+\((.*?)^\)|^replace\s+([^\n(]+)$", go_mod, re.MULTILINE | re.DOTALL):
        lines = (block[1] if block[1] is not None else block[2]).splitlines()
        rules = [line.partition("//")[0].strip() for line in lines]
        replacing += [f"replace {rule}" for rule in rules if rule and "=> ." not in rule]
    return replacing


def _go(pin: Pin, folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOWORK": "off",
        "GOEXPERIMENT": pin.experiments,
    }
    completed = subprocess.run(
        ["go", *arguments], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, check=True
    )
    return completed.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
