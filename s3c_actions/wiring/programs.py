"""The programs that a command needs, as its options choose them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from s3c_actions.options.programs import (
    BuildkitdProgram,
    CopaProgram,
    EveryProgram,
    HelmProgram,
    NotationProgram,
    ProgramsMirror,
    TrivyProgram,
)
from s3c_actions.programs.install.cache import check_writable
from s3c_actions.programs.install.locate import (
    LateProgram,
    Program,
    ProgramRequest,
    default_sources,
    find_present,
    locate_all,
    validate_request,
)
from s3c_actions.programs.install.pins import BUILDKITD, COPA, HELM, NOTATION, RUNC, TRIVY
from s3c_actions.wiring.context import Context


def _trivy(options: TrivyProgram) -> ProgramRequest:
    return ProgramRequest(
        pin=TRIVY, explicit=options.trivy_path, version=options.trivy_version, checksum=options.trivy_checksum
    )


def _copa(options: CopaProgram) -> ProgramRequest:
    return ProgramRequest(
        pin=COPA, explicit=options.copa_path, version=options.copa_version, checksum=options.copa_checksum
    )


def _notation(options: NotationProgram) -> ProgramRequest:
    return ProgramRequest(
        pin=NOTATION,
        explicit=options.notation_path,
        version=options.notation_version,
        checksum=options.notation_checksum,
    )


def _buildkitd(options: BuildkitdProgram) -> ProgramRequest:
    return ProgramRequest(
        pin=BUILDKITD,
        explicit=options.buildkitd_path,
        version=options.buildkitd_version,
        checksum=options.buildkitd_checksum,
    )


def _helm(options: HelmProgram) -> ProgramRequest:
    return ProgramRequest(
        pin=HELM, explicit=options.helm_path, version=options.helm_version, checksum=options.helm_checksum
    )


def _runc(_options: EveryProgram) -> ProgramRequest:
    return ProgramRequest(pin=RUNC)  # one on PATH, which a comparison prefers, is chosen by PATH


WANTED: Mapping[str, Callable[[EveryProgram], ProgramRequest]] = {
    "trivy": _trivy,
    "copa": _copa,
    "notation": _notation,
    "buildkitd": _buildkitd,
    "helm": _helm,
    "runc": _runc,
}
"""Program → function that creates its request from the options."""


def trivy(options: TrivyProgram, context: Context) -> LateProgram:
    """Return Trivy, found or installed when it is used first; raises as `_locate`."""
    return _locate(_trivy(options), options, context)


def copa(options: CopaProgram, context: Context) -> LateProgram:
    """Return Copa; as `trivy`."""
    return _locate(_copa(options), options, context)


def notation(options: NotationProgram, context: Context) -> LateProgram:
    """Return notation; as `trivy`."""
    return _locate(_notation(options), options, context)


def buildkitd(options: BuildkitdProgram, context: Context) -> LateProgram:
    """Return BuildKit's daemon; as `trivy`."""
    return _locate(_buildkitd(options), options, context)


def helm(options: HelmProgram, context: Context) -> LateProgram:
    """Return helm; as `trivy`."""
    return _locate(_helm(options), options, context)


def _locate(request: ProgramRequest, options: ProgramsMirror, context: Context) -> LateProgram:
    """Return the program, which is found or installed when it is used first; one at a path given is checked now.

    Raises:
        InputError: a path, a version, a checksum or the mirror given is wrong, or the cache cannot be written.
    """
    request = validate_request(request)
    default_sources(context.environment, options.programs_mirror)
    check_writable(context.cache)

    def find() -> Program:
        (program,) = locate_all(
            [request],
            cache=context.cache,
            runner=context.runner,
            progress=context.progress,
            mirror=options.programs_mirror,
        )
        return program

    late = LateProgram(request.pin.name, find)
    if request.explicit is not None:
        find_present(request, cache=context.cache, runner=context.runner, progress=context.progress)
    return late
