"""Decide which files fit a repository, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from s3c_actions import REPOSITORY
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted, join_words
from s3c_actions.policy.model import DEFAULT_FILE, SCHEMA
from s3c_actions.scaffold import ownership, rendering
from s3c_actions.scaffold.inspection import WORKFLOWS, Dockerfile, Inspection
from s3c_actions.scaffold.rendering import Pin, is_expressible

_RELEASE = "s3c-release.yml"
MAX_IMAGES = 256
"""Jobs that GitHub runs of one matrix."""
IGNORE_FILE = ".trivyignore.yaml"
GITHUB, GITHUB_REGISTRY = "github.com", "ghcr.io"
SCHEMA_URL = f"https://raw.githubusercontent.com/{REPOSITORY}/{rendering.TAG}/s3c_actions/schemas/{SCHEMA}"
CERTIFICATE = "keys/signing.crt"
_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_AZURE_VARIABLE = re.compile(r"\bvars\.(AZURE_\w+)")
_TAG_IN_ECR = re.compile(rf"(?P<repository>{_ECR.pattern}/[a-z0-9._/-]+):\S+")


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """What signs in the workflow: a certificate's file with a secret key, or a vault; neither: nothing is signed.

    Attributes:
        certificate: path in the repository.
        vault: its host, or its name.
        vault_certificate: the name of the certificate in it.
    """

    certificate: str = ""
    vault: str = ""
    vault_certificate: str = ""

    @property
    def source(self) -> str:
        """Return what the policy names as the signer's certificate."""
        host = self.vault if "." in self.vault else f"{self.vault}.vault.azure.net"
        return f"https://{host}/certificates/{self.vault_certificate}" if self.vault else self.certificate


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image that a workflow builds.

    Attributes:
        name: unique in the repository; letters, digits and dashes.
        repository: where it is pushed to; empty when that is not known.
        context, file: with `./` in front, so that neither can be taken for an address.
        dockerfile: the file without that, for code scanning.
    """

    name: str
    repository: str
    context: str
    file: str
    dockerfile: str


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that fits the repository.

    Attributes:
        path: relative to the repository.
        text: with the mark of `ownership`.
        purpose: for people, a clause.
    """

    path: str
    text: str
    purpose: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What fits a repository.

    Attributes:
        files: to write.
        notes: what was left out or assumed, and why; sentences. They may hold names of files.
        steps: what is left to do outside of the repository; sentences.
    """

    files: tuple[PlannedFile, ...]
    notes: tuple[str, ...]
    steps: tuple[str, ...] = ()


def make_plan(inspection: Inspection, signer: Signer, pin: Pin, *, prefix: str = "", ignore_file: str = "") -> Plan:
    """Return the files that fit.

    Args:
        inspection: of the repository.
        signer: of the workflow that signs.
        pin: of our own actions.
        prefix: registry and path that the images' names begin with; without it, GitHub's registry when the repository
            is on github.com.
        ignore_file: an existing ignore file that is used in place of a new one.
    """
    prefix = prefix or _github_prefix(inspection) or _ecr_prefix(inspection)
    notes = list(_inspection_notes(inspection, prefix))
    ecr = _ECR.fullmatch(prefix.partition("/")[0])
    images = name_images(inspection.dockerfiles, prefix, notes)
    deployed = _deployed_elsewhere(inspection.deployed, images)
    values: dict[str, Any] = {
        "branch": inspection.checkout.branch,
        "images": images,
        "deployed": deployed[:MAX_IMAGES],
        "ignore_file": ignore_file or IGNORE_FILE,
        "certificate": signer.certificate,
        "vault": signer.vault,
        "vault_certificate": signer.vault_certificate,
        "signer": signer.source,
        "schema": rendering.Verbatim(SCHEMA_URL),
        "github_registry": prefix.startswith(f"{GITHUB_REGISTRY}/"),
        "aws_account": ecr["account"] if ecr else "",
        "aws_region": ecr["region"] if ecr else "",
    }
    if len(deployed) > MAX_IMAGES:
        notes.append(f"Of {len(deployed)} images in manifests, the first {MAX_IMAGES} are scanned again daily.")
    wanted: list[tuple[str, str]] = []
    release = _release(prefix, signer, notes) if images else []
    values["release"] = bool(release)  # which scans what is on the default branch
    if images:
        wanted.append(("s3c-images.yml", f"builds and scans {counted(len(images), 'image')}, comments, gates"))
        wanted.append(("s3c-comment.yml", "comments for forks and Dependabot"))
        wanted += release
    if deployed:
        count = counted(min(len(deployed), MAX_IMAGES), "image")
        wanted.append(("s3c-refresh.yml", f"scans {count} that manifests name again, daily"))
    if not wanted:
        notes.append("No Dockerfile and no manifest with an image was found: there is nothing to scan.")
        return Plan(files=(), notes=tuple(notes))
    files = [
        _planned(
            f"{WORKFLOWS}/{name}", "s3c-release-ecr.yml" if ecr and name == _RELEASE else name, purpose, pin, values
        )
        for name, purpose in wanted
    ]
    files.append(_planned(DEFAULT_FILE, "s3c-policy.yaml", "what an image has to be", pin, values))
    if images and not ignore_file:
        files.append(_planned(IGNORE_FILE, "trivyignore.yaml", "findings that are set aside", pin, values))
    steps = _azure_steps(files)
    if ecr and release:
        steps += _ecr_steps(inspection, images)
    return Plan(files=tuple(files), notes=tuple(notes), steps=steps)


def _planned(path: str, template: str, purpose: str, pin: Pin, values: Mapping[str, Any]) -> PlannedFile:
    text = ownership.mark(rendering.render(template, pin, values))
    return PlannedFile(path=path, text=text, purpose=purpose)


def _release(prefix: str, signer: Signer, notes: list[str]) -> list[tuple[str, str]]:
    """Return the workflow that signs, where it is known what signs and where images go."""
    if not prefix:
        notes.append("Where images are pushed is not known, so nothing signs them: give `image-prefix`.")
        return []
    if not signer.source:
        notes.append("Nothing signs yet: `s3c init --key`, or `vault` and `vault-certificate`, adds a workflow.")
        return []
    host = prefix.partition("/")[0]
    if host != GITHUB_REGISTRY and not signer.vault and not _ECR.fullmatch(host):
        notes.append(
            f"Images go to {host}: give the workflow that signs `registry-username` and the secret REGISTRY_PASSWORD."
        )
    return [(_RELEASE, "builds, pushes, patches and signs what is on the default branch")]


def _azure_steps(files: Iterable[PlannedFile]) -> tuple[str, ...]:
    """Return which variables name the identities that the workflows ask Azure with."""
    names = sorted({name for file in files for name in _AZURE_VARIABLE.findall(file.text)}, reverse=True)
    return (f"Set the variables {join_words(names)} of the repository.",) if names else ()


def _ecr_steps(inspection: Inspection, images: Sequence[Image]) -> tuple[str, ...]:
    """Return what AWS has to have for the workflow that signs."""
    remote = inspection.checkout.remote
    subject = f"repo:{remote.owner}/{remote.name}" if remote else "repo:OWNER/NAME"
    repositories = ", ".join(image.repository.partition("/")[2] for image in images[:5])
    return (
        f"Create a role in AWS that trusts {subject}:environment:signing and may push to {repositories}, and set the "
        f"variable AWS_ROLE of the environment signing to it: {doc_link('start.md#amazon-ecr')}",
    )


def _ecr_prefix(inspection: Inspection) -> str:
    """Return the one repository of Amazon ECR that the workflows push the one Dockerfile's image to; else empty."""
    repositories = {
        match["repository"]
        for action in inspection.actions
        if action.action == "docker/build-push-action"
        for tag in re.split(r"[\s,]+", action.inputs.get("tags", ""))
        if (match := _TAG_IN_ECR.fullmatch(tag))
    }
    return repositories.pop() if len(repositories) == 1 == len(inspection.dockerfiles) else ""


def _github_prefix(inspection: Inspection) -> str:
    """Return GitHub's registry for a repository on github.com that pushes to no other; empty for another."""
    remote = inspection.checkout.remote
    if remote is None or remote.host != GITHUB or elsewhere(inspection):
        return ""
    prefix = f"{GITHUB_REGISTRY}/{remote.owner}/{remote.name}".lower()
    try:
        Reference.parse(prefix)
    except InputError:  # a repository's name may have characters that no image's has
        return ""
    return prefix


def elsewhere(inspection: Inspection) -> str:
    """Return the registry that workflows log in to, when it is not GitHub's; for people, empty without one."""
    for action in inspection.actions:
        if action.action == "aws-actions/amazon-ecr-login":
            return "Amazon ECR"
        registry = action.inputs.get("registry", "")
        if action.action in {"docker/login-action", "azure/docker-login"} and registry != GITHUB_REGISTRY:
            return registry or action.inputs.get("login-server", "") or "Docker Hub"
    return ""


def _inspection_notes(inspection: Inspection, prefix: str) -> list[str]:
    notes = []
    checkout = inspection.checkout
    if not checkout.branch_known:
        notes.append(f"Git does not say which branch is the default: {checkout.branch} is assumed.")
    if checkout.remote is None:
        notes.append("There is no Git remote: where the repository is hosted is not known.")
    elif checkout.remote.host != GITHUB:
        notes.append(f"The repository is on {checkout.remote.host}, not on github.com: see {doc_link('github.md')}.")
    if not prefix and (registry := elsewhere(inspection)):
        notes.append(f"Workflows push to {registry}: give `image-prefix` for a workflow that signs there.")
    if inspection.incomplete:
        notes.append("The repository is larger than what is looked through: some of its files were left out.")
    for chart in inspection.charts:
        notes.append(f"{chart or '.'} is a Helm chart: `helm template … | s3c deploy --manifests -` deploys it.")
    for folder in inspection.kustomizations[:1]:
        notes.append(
            f"{folder or '.'} is a kustomization: `kubectl kustomize … | s3c deploy --manifests -` deploys it."
        )
    return notes


def name_images(dockerfiles: Sequence[Dockerfile], prefix: str, notes: list[str]) -> tuple[Image, ...]:
    """Return the images that a workflow on Linux can build, each with a name of its own.

    Args:
        dockerfiles: of the repository.
        prefix: registry and path of their names; empty when not known.
        notes: is given a sentence for each Dockerfile that is left out.
    """
    usable: list[Dockerfile] = []
    for dockerfile in dockerfiles:
        if dockerfile.windows:
            notes.append(f"{dockerfile.path} is left out: it builds an image for Windows.")
        elif not is_expressible(dockerfile.path) or not (not dockerfile.context or is_expressible(dockerfile.context)):
            notes.append(f"{dockerfile.path!r} is left out: its name has characters that a workflow cannot carry.")
        else:
            usable.append(dockerfile)
    if len(usable) > MAX_IMAGES:
        notes.append(f"Of {len(usable)} Dockerfiles, the first {MAX_IMAGES} are built: GitHub runs no more at once.")
    images: dict[str, Image] = {}
    for dockerfile in usable[:MAX_IMAGES]:
        base = _slug(dockerfile, prefix)
        name = next(name for name in (base, *(f"{base}-{number}" for number in range(2, 999))) if name not in images)
        alone = len(usable) == 1 or dockerfile.path in {"Dockerfile", "Containerfile"}
        images[name] = Image(
            name=name,
            repository=(prefix if alone else f"{prefix}/{name}") if prefix else "",
            context=f"./{dockerfile.context}" if dockerfile.context else ".",
            file=f"./{dockerfile.path}",
            dockerfile=dockerfile.path,
        )
    return tuple(images.values())


def _slug(dockerfile: Dockerfile, prefix: str) -> str:
    """Return a name for an image: of the Dockerfile's own part, its folder, or the repository."""
    path = PurePosixPath(dockerfile.path)
    own = re.sub(r"(?i)^(dockerfile|containerfile)\.?|\.dockerfile$", "", path.name)
    folder = path.parent.name if str(path.parent) != "." else ""
    name = "-".join(filter(None, (folder, own))) or prefix.rpartition("/")[2] or "app"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "app"


def _deployed_elsewhere(deployed: Sequence[str], images: Sequence[Image]) -> list[str]:
    """Return the images that manifests name, without those that are built here."""
    names = {image.name for image in images} | {image.repository.rpartition("/")[2] for image in images}
    repositories = {image.repository for image in images}

    def is_own(reference: str) -> bool:
        name = re.sub(r"(?::[^/]*)?(?:@.*)?$", "", reference)
        return name in repositories or ("/" not in name and name in names)

    return [reference for reference in deployed if not is_own(reference)]
