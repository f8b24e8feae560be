"""Create what a fleet needs from the options: where its plan lies, where its images are, and who judges them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster import manifests
from s3c_actions.cluster.deployed import list_deployed
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import currency, planning, store
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.currency import Current
from s3c_actions.fleet.model import FIELD, Fleet, catalog_prefix
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.planning import DigestGroup
from s3c_actions.fleet.selecting import Places
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.fleet_plan import FleetPlanInputs
from s3c_actions.options.registry import CredentialOptions, RegistryOptions
from s3c_actions.policy import model
from s3c_actions.steps import known_patches
from s3c_actions.wiring import settings_files
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.judging import open_policy_judge
from s3c_actions.wiring.kubernetes import connect_cluster
from s3c_actions.wiring.logins import create_logins, create_registry

if TYPE_CHECKING:
    from s3c_actions.core.tag_template import TagTemplate
    from s3c_actions.registry import Registry
    from s3c_actions.steps.judge import PolicyJudge


MAX_REPORTS = 100
"""Reports beside one image that are read to find out whether it is current."""


def read_any(text: str, options: RegistryOptions, context: Context) -> tuple[Plan, Reference | None]:
    """Read a plan.

    Args:
        text: path of `plan.json`, or `oci://registry/repository:tag`.
        options: how to reach the registry.
        context: of the command.

    Returns:
        The plan, and its place by digest; None for a file.

    Raises:
        InputError: it is not there, or is no plan.
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    if not store.is_stored(text):
        return plans.read(Path(text).expanduser()), None
    reference = store.parse_place(text)
    stored = store.find_stored_plan(store_registry(options, context, reference), reference)
    if stored is None:
        raise InputError("plan", f"{text} is not there.", remedy="Publish it with `s3c fleet plan --publish`.")
    return stored


def store_registry(options: RegistryOptions, context: Context, reference: Reference) -> Registry:
    """Create a client for the registry that a plan lies in."""
    return create_registry(options, create_logins(options, context, {reference.registry}))


def credentials_hosts(fleet: Fleet, options: CredentialOptions, published_at: Reference | None = None) -> set[str]:
    """Return the registries that the credentials given are for.

    Credentials go to one registry only, never to each that a file names.

    Args:
        fleet: names the images.
        options: of the command.
        published_at: where the plan is pushed to; None when it is not.

    Raises:
        InputError: credentials are given, and it is ambiguous which registry they are for.
    """
    hosts = {published_at.registry} if published_at is not None else set()
    for selection in fleet.images:
        if selection.catalog is not None:
            hosts.add(catalog_prefix(selection.catalog)[0])
        elif (name := selection.image or selection.repository) is not None:
            hosts.add(Reference.parse(name, field=FIELD).registry)
    if not options.registry_username:
        return hosts
    elsewhere = any(selection.kind in ("cluster", "manifests") for selection in fleet.images)
    if len(hosts) != 1 or elsewhere:
        where = ", ".join(sorted(hosts)) or "not named in the fleet"
        raise InputError(
            "registry-username",
            f"the images may be in several registries ({where}).",
            remedy="Use `docker login` for each, and leave the credentials out.",
        )
    return hosts


def image_places(options: ClusterOptions, context: Context) -> Places:
    """Return where images are looked up besides registries: the cluster, and manifests in the working folder."""

    def running(namespaces: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str]]:
        found = list_deployed(connect_cluster(options, context), namespaces)
        return [image.image for image in found.running], [image.image for image in found.unknown]

    def named(paths: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str]]:
        files = manifests.read(paths, cwd=context.cwd, stdin=lambda: sys.stdin.buffer.read(manifests.MAX_BYTES + 1))
        texts = sorted({use.image for file in files for use in file.uses})
        names = [text for text in texts if _is_reference(text)]
        return names, [text or "an image that is filled in later" for text in texts if text not in names]

    return Places(running=running, manifests=named)


def _is_reference(text: str) -> bool:
    try:
        Reference.parse(text)
    except InputError:
        return False
    return True


class CurrencyJudge:
    """Judges whether digests need nothing, each by its own policy; threads may call it at once.

    Attributes:
        at_once: how many are judged at a time: each verification of a signature is a process.
    """

    def __init__(
        self, judges: dict[str, PolicyJudge], template: TagTemplate, context: Context, within: timedelta
    ) -> None:
        self._judges = judges
        self._template = template
        self._context = context
        self._within = within
        self._tags: dict[str, tuple[str, ...]] = {}
        self.at_once = max(2, 2 * (os.cpu_count() or 1))

    @classmethod
    @contextmanager
    def open(
        cls, fleet: Fleet, options: FleetPlanInputs, context: Context, *, judges_images: bool
    ) -> Iterator[CurrencyJudge]:
        """Read every policy that the fleet names, and prepare to judge by it.

        Args:
            fleet: names policies.
            options: of the command.
            context: of the command.
            judges_images: whether images are judged; otherwise policies are read alone, and no vault is asked.

        Raises:
            InputError: a policy cannot be read, or a certificate in it is invalid.
            OutsideError: notation could not be obtained, or a vault denied access.
        """
        registries = credentials_hosts(fleet, options)
        judges: dict[str, PolicyJudge] = {}
        with ExitStack() as stack:
            for name in ("", *fleet.policies):
                path = options.policy if not name else settings_files.policy_path(context, name)
                if path is None:
                    continue
                policy = model.read(path, field="policy" if not name else FIELD)
                if policy.image_signers and judges_images:
                    judges[name] = stack.enter_context(open_policy_judge(options, context, policy, registries))
            yield cls(judges, options.patched_tag, context, timedelta(seconds=fleet.rescan_seconds))

    def __call__(self, group: DigestGroup) -> Current | str:
        """Return what makes a digest current, or why it has work to do.

        Raises:
            S3CError: its evidence could not be read or verified.
        """
        judge = self._judges.get(group.selected.policy)
        if judge is None:
            return planning.NO_POLICY
        own = self._judge(judge, group.reference)
        if isinstance(own, Current):
            return own
        patch = self._newest_patch(judge, group)
        return patch if patch is not None else own

    def _newest_patch(self, judge: PolicyJudge, group: DigestGroup) -> Current | None:
        """Return what makes a patch of an image current, which an earlier run signed; None without one."""
        original = group.reference
        place = Reference.parse(group.selected.target) if group.selected.target else original
        for tag, patch in known_patches.find_patches(
            original, self._tags_of(judge.registry, place), self._template, judge.registry, place
        ):
            verdict = self._judge(judge, patch)
            if isinstance(verdict, Current):
                reason = f"of its patch {tag}, {verdict.reason.removeprefix('its ')}"
                return replace(verdict, reason=reason, patch=patch.pinned)
        return None

    def _tags_of(self, registry: Registry, place: Reference) -> tuple[str, ...]:
        """Return the tags of a repository, looked up once; none where there is no such repository yet."""
        if place.name not in self._tags:
            try:
                self._tags[place.name] = registry.tags(place)
            except InputError:
                self._tags[place.name] = ()
        return self._tags[place.name]

    def _judge(self, judge: PolicyJudge, reference: Reference) -> Current | str:
        collected = judge.collect(reference.at(reference.digest), most=MAX_REPORTS)
        presumed = currency.judge_currency(
            judge.policy, currency.presume_signed(collected), self._context.now, self._within
        )
        if isinstance(presumed, str):
            return presumed
        return currency.judge_currency(judge.policy, judge.verify(collected), self._context.now, self._within)
