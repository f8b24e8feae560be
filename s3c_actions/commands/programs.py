"""`s3c programs`: list, locate and install the programs that s3c runs."""

from __future__ import annotations

import json
from typing import Any

from s3c_actions.options import programs as inputs
from s3c_actions.programs.install.locate import Program, find_present, locate_all
from s3c_actions.programs.install.pins import Pin
from s3c_actions.result.model import Outcome
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.programs import WANTED

ORIGINS = {
    "given": "the path given",
    "PATH": "PATH",
    "release": "release archive, SHA-256 checked",
    "module": "built from the pinned Go module",
}


def run(options: inputs.ProgramsInputs, context: Context) -> Outcome:
    """Run `list`, `install` or `where`."""
    task = options.subcommand
    names = options.program
    if task == "install":
        names = names or ("trivy", "copa", "notation")
        located: tuple[Program | None, ...] = locate_all(
            [WANTED[name](options) for name in names],
            cache=context.cache,
            runner=context.runner,
            progress=context.progress,
            mirror=options.programs_mirror,
        )
    else:
        names = names or tuple(WANTED)
        located = tuple(
            find_present(WANTED[name](options), cache=context.cache, runner=context.runner, progress=context.progress)
            for name in names
        )
    rows = [_facts(WANTED[name](options).pin, program) for name, program in zip(names, located, strict=True)]
    columns = ["name", "pinned", "licence", "module"] if task == "list" else ["name", "version", "origin", "path"]
    if options.json:
        return Outcome(command="programs", images=(), text=json.dumps({"programs": rows}, indent=2))
    return Outcome(command="programs", images=(), text=_table(rows, columns + ["path"] * (task == "list")))


def _facts(pin: Pin, program: Program | None) -> dict[str, Any]:
    return {
        "name": pin.name,
        "pinned": pin.version,
        "licence": pin.licence,
        "module": pin.module,
        "version": program.version if program else None,
        "origin": program.origin if program else None,
        "path": str(program.path) if program else None,
    }


def _table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    cells = [[_cell(row, column) for column in columns] for row in rows]
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(row: dict[str, Any], column: str) -> str:
    if column == "origin" and row["origin"]:
        return ORIGINS[row["origin"]]
    if row[column] is None:
        return f"not installed (s3c programs install {row['name']})" if column == "path" else "-"
    return str(row[column])
