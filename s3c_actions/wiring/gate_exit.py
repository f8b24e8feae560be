"""Pause the gate or remove it, as the options ask: what there is for an emergency."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from s3c_actions.core.errors import InputError
from s3c_actions.options.gate import GateInputs
from s3c_actions.programs.helm.helm import Helm
from s3c_actions.steps import pause_gate, uninstall_gate
from s3c_actions.wiring import programs
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.kubernetes import find_kubeconfig

if TYPE_CHECKING:
    from s3c_actions.cluster.client import Cluster
    from s3c_actions.result.model import DeployResult


def read_pause(options: GateInputs) -> pause_gate.PauseSettings:
    """Return the pause that the inputs ask for, or its end.

    Raises:
        InputError: the length or the reason is missing, or is given for an end.
    """
    inputs = (GateInputs.for_, GateInputs.reason)
    if options.end:
        for option in inputs:
            if options.given(option):
                raise InputError(option.name, "it is given beside `end`.", remedy="Give one of both.")
        return pause_gate.PauseSettings(length=None)
    for option in inputs:
        if not options.given(option):
            raise InputError(
                option.name,
                "it is missing: a pause has an end and a reason.",
                remedy=f"Give `{option.name}`, for example '{option.example}'; or `end` for the end of a pause.",
            )
    return pause_gate.PauseSettings(length=options.for_, reason=options.reason)


def pause(settings: pause_gate.PauseSettings, context: Context, cluster: Cluster) -> DeployResult:
    """Pause the gate, or end its pause. Raise as `pause_gate.run` does."""
    return pause_gate.run(settings, pause_gate.PauseTools(cluster=cluster, progress=context.progress))


def confirm_uninstall(options: GateInputs, ask: str = "") -> None:
    """Ask at the terminal whether the gate is to be removed, unless the inputs say so.

    Args:
        options: of the command.
        ask: the cluster's address for the question; empty: only find out whether it can be asked.

    Raises:
        InputError: nobody can be asked, or the answer is no.
    """
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            GateInputs.yes.name,
            "it is missing, and there is no terminal to ask at.",
            cause="Without the gate the cluster admits every image, signed or not.",
            remedy="Give `yes` if that is meant; `s3c gate pause` opens the gate for a limited time.",
        )
    if not ask:
        return
    sys.stderr.write(f"Remove the gate of {ask}? It will admit every image, signed or not. [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise InputError(GateInputs.yes.name, "the answer was no: nothing was removed.")


def uninstall(options: GateInputs, context: Context, cluster: Cluster) -> DeployResult:
    """Remove the gate. Raise as `uninstall_gate.run` does."""

    def helm() -> Helm:
        return Helm(
            programs.helm(options, context),
            context.runner,
            kubeconfig=find_kubeconfig(options, context),
            context=options.context,
            timeout=options.timeout,
        )

    return uninstall_gate.run(uninstall_gate.UninstallTools(cluster=cluster, helm=helm, progress=context.progress))
