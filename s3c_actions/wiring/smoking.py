"""Bind the comparison of an original and its patched image to the options and a container runtime of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.secret_values import assigned_secrets
from s3c_actions.options.smoke import SmokeOptions
from s3c_actions.programs.buildkit import buildkit
from s3c_actions.programs.containers.docker_cli import DockerRuntime
from s3c_actions.programs.containers.runc import RuncRuntime
from s3c_actions.programs.install.locate import LateProgram, Program, locate
from s3c_actions.programs.install.pins import RUNC
from s3c_actions.result.smoke import ImagePair, SmokeRefused, SmokeResult, SmokeVerdict
from s3c_actions.steps import smoke
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.registry import Registry
    from s3c_actions.steps.smoke import ContainerRuntime

Comparison = Callable[[Reference, Reference, tuple[ImagePair, ...]], SmokeResult]
_LOCK = threading.Lock()
"""One comparison at a time: its limits are those of one, and a machine that is busy with others would differ."""
_OFF = "off"
_KEPT = "smoke-runtime"
_INSTALLED = "smoke-runc"


def create_comparison(
    options: SmokeOptions, context: Context, registry: Registry, *, programs_mirror: str
) -> Comparison | None:
    """Return the comparison that the inputs ask for; None when they ask for none.

    Args:
        options: the inputs.
        context: of the command.
        registry: of the images.
        programs_mirror: where runc comes from, if it has to be installed.

    Raises:
        InputError: an input is wrong.
    """
    if options.smoke == _OFF:
        given = next((option for option in SmokeOptions.own()[1:] if options.given(option)), None)
        if given is not None:
            raise InputError(
                given.name, "it says how images are started, and `smoke` is `off`.", remedy="Set `smoke` to `report`."
            )
        return None
    for value in assigned_secrets(options.smoke_env):  # a fleet's file names them as well as an input
        context.secrets.add(value)
    for name, image in options.smoke_companions.items():
        Reference.parse(image, field=f"smoke-companions: {name}")
    probe = smoke.SmokeProbe(
        command=options.smoke_command,
        port=options.smoke_port,
        seconds=options.smoke_timeout,
        companions=options.smoke_companions,
        environment=options.smoke_env,
        writable=options.smoke_writable,
        capabilities=options.smoke_capabilities,
    )
    tools = smoke.SmokeTools(
        registry=registry,
        runtime=lambda: _runtime(context, programs_mirror),
        runs=lambda platform: buildkit.can_run_platform(platform, context.environment.get("PATH", "")),
        progress=context.progress,
    )

    def compare(original: Reference, patched: Reference, pairs: tuple[ImagePair, ...]) -> SmokeResult:
        with _LOCK:
            result = smoke.run(original, patched, pairs, probe, tools)
        if result.verdict is not SmokeVerdict.WORKS:
            if options.smoke == "required":
                raise SmokeRefused(result)
            context.progress.warning(f"{patched}: {result.sentence}")
        return result

    return compare


def _runtime(context: Context, programs_mirror: str) -> tuple[ContainerRuntime | None, str]:
    """Return what runs containers here, or why nothing does; found once for all images of a run."""
    kept = context.shared.get(_KEPT)
    if kept is not None:
        return cast("ContainerRuntime", kept), ""
    reasons = []
    for runtime in _candidates(context, programs_mirror):
        if not (reason := runtime.unusable()):
            runtime.sweep()
            context.shared[_KEPT] = runtime
            return runtime, ""
        reasons.append(reason)
    return None, f"nothing here runs containers: {', '.join(reasons)}"


def _candidates(context: Context, programs_mirror: str) -> tuple[DockerRuntime | RuncRuntime, ...]:
    def find() -> Program:
        return locate(
            RUNC, mirror=programs_mirror, cache=context.cache, runner=context.runner, progress=context.progress
        )

    # Kept although it failed: building it takes minutes, and would fail for the next image too.
    installed = cast("LateProgram", context.shared.setdefault(_INSTALLED, LateProgram(RUNC.name, find)))
    return (
        DockerRuntime(context.runner, context.progress, context.temp),
        DockerRuntime(context.runner, context.progress, context.temp, "nerdctl"),
        RuncRuntime(context.runner, context.progress, lambda: installed.path),
    )
