"""What to deploy and how, and the collaborators of the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from s3c_actions.cluster.client import Cluster
from s3c_actions.cluster.image_paths import ImagePath
from s3c_actions.cluster.images import Replacement
from s3c_actions.cluster.manifests import ManifestFile
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.result.model import VerifyResult

AT_ONCE = 4
"""Requests to the registry or the cluster at the same time."""


class DeploySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to deploy, and how.

    Attributes:
        manifests: as read.
        replacements: images that replace those of their repository.
        image_paths: places of images in custom kinds, besides those that are known.
        require_digests: an image that is still named by tag is an error; otherwise it is a warning.
        output: folder for the rewritten manifests.
        namespace: of objects that name none; empty: the kubeconfig's.
        create_namespace: create namespaces that do not exist.
        require_gate: holes in the gate are errors; otherwise they are warnings.
        accept_paused_gate: deploy while the gate is paused, and admits everything; otherwise that is an error.
        accept_stage: the weakest stage of the gate in which it is deployed; a weaker one is an error.
        prune: label `key=value`: set on every object, and objects that have it and are no longer in the manifests are
            deleted.
        recreate_jobs: delete finished Jobs and create them anew, where what they run has changed.
        timeout: seconds for the rollout.
        rollback: revert the applied changes on a failure.
        force: take over fields that another tool manages.
        dry_run: stop before anything is applied.
    """

    manifests: tuple[ManifestFile, ...]
    replacements: tuple[Replacement, ...]
    output: Path
    image_paths: tuple[ImagePath, ...] = ()
    require_digests: bool = False
    namespace: str = ""
    create_namespace: bool = False
    require_gate: bool = True
    accept_paused_gate: bool = False
    accept_stage: Stage = Stage.DENY
    prune: str = ""
    recreate_jobs: bool = False
    timeout: float = 300.0
    rollback: bool = False
    force: bool = False
    dry_run: bool = False


class DeployTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step.

    Attributes:
        resolve: returns the image's reference by digest, and its platforms; None: no registry is used.
        verify: verifies a pinned reference's signature; raises Refused. None, or a result of None: the gate decides.
        signatures: returns the digests of the signatures of a pinned reference, whoever made them.
        cluster: returns the client, or raises; None: the manifests are rewritten only.
    """

    resolve: Callable[[Reference], tuple[Reference, tuple[str, ...]]] | None
    verify: Callable[[str], VerifyResult | None] | None
    signatures: Callable[[Reference], Sequence[str]]
    cluster: Callable[[], Cluster] | None
    progress: Progress
