"""Record in GitHub where images are deployed and stored: its linked artifacts, for organizations.

https://docs.github.com/rest/orgs/artifact-metadata. A deployment is known by its cluster, environment and name, and is
updated when it is recorded again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core.reference import Reference
from s3c_actions.github import errors

if TYPE_CHECKING:
    from github import Github

PERMISSION = "artifact-metadata: write"
MAX_DEPLOYMENTS = 1000
"""Deployments that one call takes."""
CLUSTER = re.compile(r"[A-Za-z0-9._-]{1,128}")
MAX_ENVIRONMENT = 128
_NAME, _VERSION, _REGISTRY, _REPOSITORY, _URL = 256, 100, 256, 128, 152
_GITHUB_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """An image that runs somewhere: the image, pinned, and `NAMESPACE/WORKLOAD`."""

    image: Reference
    place: str

    @property
    def name(self) -> str:
        """Return its name in the cluster, in the form that GitHub recommends: namespace, workload, image."""
        return f"{self.place.replace('/', '-')}-{self.image.short}"[-_NAME:]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What GitHub took: the number of records, and for each that it did not take, a clause."""

    count: int
    skipped: tuple[str, ...] = ()


def record_deployments(
    client: Github, repository: str, deployments: Iterable[Deployment], *, cluster: str, environment: str
) -> Recorded:
    """Record deployments on a cluster.

    Args:
        client: of the organization's GitHub.
        repository: `owner/name` of the images' source, for those that GitHub has no provenance of.
        deployments: of which of the same name the first counts.
        cluster: its name, as CLUSTER matches.
        environment: the stage, such as `production`.

    Raises:
        GitHubError: GitHub does not take them, or its answer is not one.
    """
    named = list({deployment.name: deployment for deployment in reversed(list(deployments))}.values())[::-1]
    count, skipped = 0, []
    for start in range(0, len(named), MAX_DEPLOYMENTS):
        body = {
            "logical_environment": environment,
            "deployments": [_deployment(entry, repository) for entry in named[start : start + MAX_DEPLOYMENTS]],
            # One image of a repository that the token may not write to keeps no other from being recorded.
            "partial_success": True,
            "return_records": False,
        }
        path = f"/orgs/{_owner(repository)}/artifacts/metadata/deployment-record/cluster/{cluster}"
        with errors.translate_errors("What is deployed could not be recorded", permission=PERMISSION):
            _, answer = client.requester.requestJsonAndCheck("POST", path, input=body)
            count += int(answer["total_count"])
            skipped += [
                f"{error['deployment']['deployment_name']}: {error['cause'].replace('_', ' ')}"
                for error in answer.get("errors") or ()
            ]
    return Recorded(count=count, skipped=tuple(skipped))


def record_storage(client: Github, repository: str, images: Sequence[Reference]) -> Recorded:
    """Record where images are stored; those in a registry without TLS cannot be recorded.

    Args:
        client: of the organization's GitHub.
        repository: as of `record_deployments`.
        images: pinned.

    Raises:
        GitHubError: as `record_deployments`.
    """
    count = 0
    for image in dict.fromkeys(images):
        path = f"/orgs/{_owner(repository)}/artifacts/metadata/storage-record"
        with errors.translate_errors(f"Where {image.name} is stored could not be recorded", permission=PERMISSION):
            _, answer = client.requester.requestJsonAndCheck("POST", path, input=_storage(image, repository))
            count += int(answer["total_count"])
    return Recorded(count=count)


def _deployment(deployment: Deployment, repository: str) -> dict[str, Any]:
    return {
        **_artifact(deployment.image, repository),
        "status": "deployed",
        "deployment_name": deployment.name,
    }


def _storage(image: Reference, repository: str) -> dict[str, Any]:
    record = {
        **_artifact(image, repository),
        "registry_url": f"https://{image.registry}"[:_REGISTRY],
        "status": "active",
        "return_records": False,
    }
    if len(image.repository) <= _REPOSITORY:
        record["repository"] = image.repository
    url = f"https://{image.registry}/v2/{image.repository}/manifests/{image.digest}"
    return {**record, "artifact_url": url} if len(url) <= _URL else record


def _artifact(image: Reference, repository: str) -> dict[str, Any]:
    """Return how both records name an image."""
    name = repository.partition("/")[2]
    return {
        "name": image.repository[-_NAME:],
        "digest": image.digest,
        **({"version": image.tag[:_VERSION]} if image.tag else {}),
        **({"github_repository": name} if _GITHUB_NAME.fullmatch(name) else {}),
    }


def _owner(repository: str) -> str:
    return repository.partition("/")[0]
