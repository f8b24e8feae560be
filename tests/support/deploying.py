"""A deployment in parts: a cluster of names, and one that has come as far as its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.cluster.apply import ApplyTarget
from s3c_actions.cluster.client import Cluster, Resource
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.progress import Progress, Silent, StepContext
from s3c_actions.core.reference import Reference
from s3c_actions.result.model import Admission, DeployResult
from s3c_actions.steps.deploy.gate_check import pass_gate
from s3c_actions.steps.deploy.settings import DeploySettings, DeployTools
from s3c_actions.steps.deploy.state import DeployedImage, DeployState


class Objects(Cluster):
    """A cluster that keeps what is applied, by name.

    Args:
        names: of what is there.
        rejects: name → the error of a try or an application of it.
        stays: the name that cannot be deleted.
    """

    def __init__(self, *names: str, rejects: Mapping[str, S3CError] | None = None, stays: str = "") -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.live: dict[str, dict[str, Any]] = {
            name: {"metadata": {"name": name, "resourceVersion": "1"}} for name in names
        }
        self.rejects, self.stays = dict(rejects or {}), stays
        self.tried: list[str] = []

    def get(self, resource: Resource, name: str, namespace: str = "") -> dict[str, Any] | None:
        return self.live.get(name)

    def apply(
        self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool, force: bool
    ) -> dict[str, Any]:
        name = document["metadata"]["name"]
        if name in self.rejects:
            raise self.rejects[name]
        if dry_run:
            self.tried.append(name)
            return document
        return self.live.setdefault(name, document)

    def create(
        self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool
    ) -> dict[str, Any]:
        assert dry_run
        self.tried.append(document["metadata"]["name"])
        return document

    def delete(self, resource: Resource, name: str, namespace: str = "") -> None:
        if name == self.stays:
            raise OutsideError("It may not be deleted.")
        self.live.pop(name)


class Sentences(Silent):
    """Progress that keeps what each step ends with."""

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}

    def step(self, name: str) -> StepContext:
        ended = self.ended

        class Step:
            def __enter__(self) -> Step:
                return self

            def __exit__(self, *_: object) -> None:
                return None

            def done(self, sentence: str) -> None:
                ended[name] = sentence

        return Step()


def settings(**given: Any) -> DeploySettings:
    """Those of a deployment without manifests, whose objects are given to its parts."""
    return DeploySettings(manifests=(), replacements=(), output=Path("x"), **given)


def tools(progress: Progress | None = None) -> DeployTools:
    """Collaborators that ask nobody."""
    return DeployTools(resolve=None, verify=None, signatures=lambda _: (), cluster=None, progress=progress or Silent())


def at_gate(
    cluster: Cluster,
    targets: Sequence[ApplyTarget],
    images: Sequence[str],
    *,
    signatures: Mapping[str, Sequence[str]],
    progress: Progress | None = None,
    **given: Any,
) -> DeployState:
    """Ask the gate about images by digest; return the deployment's state after it.

    `signatures` are digests by image; `given` are the settings that differ.
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
        settings(**given),
        replace(tools(progress), signatures=lambda reference: signatures.get(reference.pinned, ())),
        cluster,
        state,
        used=[
            DeployedImage(text=str(reference), reference=reference, platforms=(), places=("m.yaml, line 1",))
            for reference in references
        ],
        targets=targets,
    )
    return state
