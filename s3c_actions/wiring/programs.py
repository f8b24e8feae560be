"""The programs that a command needs, as its inputs choose them."""

from __future__ import annotations

from s3c_actions.options import Values
from s3c_actions.options import programs as inputs
from s3c_actions.options.programs import ProgramInputs
from s3c_actions.programs.install.locate import Program, Wanted, locate_all
from s3c_actions.programs.install.pins import BUILDKITD, COPA, HELM, NOTATION, TRIVY, Pin
from s3c_actions.wiring.context import Context

DECLARED: dict[str, tuple[Pin, ProgramInputs]] = {
    "trivy": (TRIVY, inputs.TRIVY),
    "copa": (COPA, inputs.COPA),
    "notation": (NOTATION, inputs.NOTATION),
    "buildkitd": (BUILDKITD, inputs.BUILDKITD),
    "helm": (HELM, inputs.HELM),
}


def wanted(values: Values, name: str) -> Wanted:
    """What a command's inputs ask for: `name` is one of DECLARED, and its inputs are among the command's."""
    pin, declared = DECLARED[name]
    return Wanted(
        pin=pin,
        explicit=values[declared.path],
        version=values[declared.version],
        checksum=values[declared.checksum],
    )


def located(values: Values, context: Context, *names: str) -> tuple[Program, ...]:
    """The programs of a command, each found or installed.

    Args:
        values: of a command that has the programs' inputs and PROGRAMS_MIRROR among its own.
        context: of the run.
        names: of DECLARED.

    Raises:
        InputError, OutsideError: as `locate_all`.
    """
    return locate_all(
        [wanted(values, name) for name in names],
        cache=context.cache,
        runner=context.runner,
        progress=context.progress,
        mirror=values[inputs.PROGRAMS_MIRROR],
    )
