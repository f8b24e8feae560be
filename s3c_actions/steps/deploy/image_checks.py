"""What an image must be before anything is applied: signed by a trusted signer, and for the nodes it is to run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from msgspec.structs import replace

from s3c_actions.cluster import images
from s3c_actions.cluster.client import Cluster, Resource
from s3c_actions.core.errors import InputError, Refused
from s3c_actions.core.text import counted
from s3c_actions.result.model import VerifyResult
from s3c_actions.steps.deploy.settings import AT_ONCE, DeployTools
from s3c_actions.steps.deploy.state import DeployedImage, DeployState

_NODES = Resource(path="/api/v1", plural="nodes", namespaced=False)


def verify_images(used: Sequence[DeployedImage], tools: DeployTools, state: DeployState) -> None:
    """Verify the signature of every image, all of them before the first refusal is raised.

    Args:
        used: the images.
        tools: without `verify`, whose signatures count is left to the gate.
        state: receives the verified signatures, the denied admissions and the warnings.

    Raises:
        Refused: an image is not signed by a trusted signer.
        OutsideError: the registry failed.
    """
    if tools.verify is None:
        state.warnings.append("No `trust-store` is given: whose signatures count is left to the cluster's gate.")
        return
    refused: dict[str, Refused] = {}
    unverified = []
    verify = partial(_verify_image, tools.verify)
    with tools.progress.step("verify") as step, ThreadPoolExecutor(AT_ONCE) as pool:
        images = list(dict.fromkeys(image.reference.pinned for image in used))
        for pinned, verified in zip(images, pool.map(verify, images), strict=True):
            if isinstance(verified, Refused):
                refused[pinned] = verified
            elif verified is None:
                unverified.append(pinned)
            else:
                state.verified[pinned] = verified
        step.done(
            f"{len(refused)} of {len(refused) + len(state.verified)} images are not signed by whom they should be"
            if refused
            else f"{counted(len(state.verified), 'image')} signed by whom they should be"
        )
    if unverified:
        state.warnings.append(f"Whose signature counts is left to the cluster's gate for {', '.join(unverified)}.")
    if refused:
        state.result = replace(
            state.result,
            admissions=tuple(
                replace(
                    admission,
                    verdict="denied",
                    reason=refused[admission.reference].what,
                    remedy=refused[admission.reference].remedy,
                )
                if admission.reference in refused
                else admission
                for admission in state.result.admissions
            ),
        )
        raise next(iter(refused.values()))


def _verify_image(verify: Callable[[str], VerifyResult | None], pinned: str) -> VerifyResult | Refused | None:
    try:
        return verify(pinned)
    except Refused as error:
        error.image = error.image or pinned
        return error


def check_platforms(used: Sequence[DeployedImage], cluster: Cluster, state: DeployState) -> None:
    """Compare the images' platforms with those of the nodes that take Pods.

    Args:
        used: the images; one whose platforms are not known is left out.
        cluster: has the nodes.
        state: receives a warning for an image that does not run on all nodes.

    Raises:
        InputError: an image runs on no node.
        OutsideError: the cluster failed.
    """
    nodes = {
        f"{info['operatingSystem']}/{info['architecture']}"
        for node in cluster.list(_NODES)
        if (info := (node.get("status") or {}).get("nodeInfo")) and not (node.get("spec") or {}).get("unschedulable")
    }
    for image in used:
        platforms = {"/".join(platform.split("/")[:2]) for platform in image.platforms}
        if not platforms or not nodes:
            continue
        if not platforms & nodes:
            raise InputError(
                images.FIELD,
                f"{image.reference} is for {', '.join(sorted(platforms))}, "
                f"and the nodes are {', '.join(sorted(nodes))}.",
                remedy="Build and sign it for the nodes' platform.",
                image=str(image.reference),
            )
        if missing := sorted(nodes - platforms):
            state.warnings.append(f"{image.reference} does not run on the nodes of {', '.join(missing)}.")
