"""A deployment that has come as far as its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s3c_actions.cluster.apply import ApplyTarget
from s3c_actions.cluster.client import Cluster
from s3c_actions.core.progress import Progress, Silent
from s3c_actions.core.reference import Reference
from s3c_actions.result.model import Admission, DeployResult
from s3c_actions.steps.deploy.gate_check import pass_gate
from s3c_actions.steps.deploy.settings import DeploySettings, DeployTools
from s3c_actions.steps.deploy.state import DeployedImage, DeployState


def at_gate(
    cluster: Cluster,
    targets: Sequence[ApplyTarget],
    images: Sequence[str],
    *,
    signatures: Mapping[str, Sequence[str]],
    progress: Progress | None = None,
    **settings: Any,
) -> DeployState:
    """Ask the gate about images by digest; return the deployment's state after it.

    `signatures` are digests by image; `settings` are those of the deployment that differ.
    """
    references = [Reference.parse(image) for image in images]
    state = DeployState(
        DeployResult(
            admissions=tuple(
                Admission(image=str(reference), reference=reference.pinned, verdict="unknown")
                for reference in references
            )
        )
    )
    pass_gate(
        DeploySettings(manifests=(), replacements=(), output=Path("x"), **settings),
        DeployTools(
            resolve=None,
            verify=None,
            signatures=lambda reference: signatures.get(reference.pinned, ()),
            cluster=lambda: cluster,
            progress=progress or Silent(),
        ),
        cluster,
        state,
        used=[
            DeployedImage(text=str(reference), reference=reference, platforms=(), places=("m.yaml, line 1",))
            for reference in references
        ],
        targets=targets,
    )
    return state
