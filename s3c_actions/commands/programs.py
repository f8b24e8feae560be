"""`s3c programs`: list, locate and install the programs that s3c runs."""

from __future__ import annotations

from collections.abc import Sequence

from s3c_actions.options import programs as inputs
from s3c_actions.programs.install.locate import Program, find_used, locate_all
from s3c_actions.programs.install.pins import Pin
from s3c_actions.result.model import Outcome, ProgramFacts
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
            find_used(WANTED[name](options), cache=context.cache, runner=context.runner, progress=context.progress)
            for name in names
        )
    facts = tuple(_facts(WANTED[name](options).pin, program) for name, program in zip(names, located, strict=True))
    columns = ["name", "pinned", "licence", "module"] if task == "list" else ["name", "version", "origin", "path"]
    return Outcome(
        command="programs", images=(), programs=facts, text=_table(facts, columns + ["path"] * (task == "list"))
    )


def _facts(pin: Pin, program: Program | None) -> ProgramFacts:
    return ProgramFacts(
        name=pin.name,
        pinned=pin.version,
        licence=pin.licence,
        module=pin.module,
        version=(program.version or None) if program else None,
        origin=program.origin if program else None,
        path=str(program.path) if program else None,
    )


def _table(rows: Sequence[ProgramFacts], columns: list[str]) -> str:
    cells = [[_cell(row, column) for column in columns] for row in rows]
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(row: ProgramFacts, column: str) -> str:
    if column == "origin" and row.origin:
        return ORIGINS[row.origin]
    value: str | None = getattr(row, column)
    if value is None:
        return f"not installed (s3c programs install {row.name})" if column == "path" else "-"
    return value
