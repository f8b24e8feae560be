"""Create what a fleet needs from the options: where its plan lies, where its images are, and who judges them."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster import manifests
from s3c_actions.cluster.deployed import describe_idle, list_deployed
from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import currency, match_rules, planning, store
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
from s3c_actions.programs.trivy import settings
from s3c_actions.programs.trivy.arguments import ScanOptions
from s3c_actions.programs.trivy.trivy import Trivy
from s3c_actions.registry import credentials
from s3c_actions.steps import known_patches
from s3c_actions.steps.match_sbom import SbomMatcher
from s3c_actions.wiring import programs, settings_files
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.judging import open_policy_judge
from s3c_actions.wiring.kubernetes import connect_cluster
from s3c_actions.wiring.logins import create_logins, create_registry

if TYPE_CHECKING:
    from s3c_actions.core.tag_template import TagTemplate
    from s3c_actions.policy.judge import Evidence, EvidenceDocument
    from s3c_actions.registry import Registry
    from s3c_actions.steps.judge import PolicyJudge


MATCHES = max(1, min(4, os.cpu_count() or 1))
"""SBOMs that are matched at a time: each is a process that computes."""
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
        listing = list_deployed(connect_cluster(options, context), namespaces)
        if idle := listing.find_idle(namespaces):
            context.progress.warning(describe_idle(idle))
        return [image.image for image in listing.running], [image.image for image in listing.unknown]

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


def _create_matcher(options: FleetPlanInputs, context: Context, registries: Collection[str]) -> SbomMatcher:
    """Create what matches SBOMs; Trivy is found or installed, and its database downloaded, for the first one.

    Raises:
        InputError: an input on Trivy or its database is wrong.
    """
    variables = settings.read_variables(context.environment)
    folder = options.trivy_cache_dir or context.environment.get("TRIVY_CACHE_DIR")
    trivy = Trivy(
        programs.trivy(options, context),
        context.runner,
        cache=Path(folder).absolute() if folder else context.cache / "trivy",
        login=credentials.open_program_login(create_logins(options, context, registries), registries, context.temp),
    )
    scan_options = ScanOptions(
        scanners=("vuln",),
        skips=variables.skips,
        offline=options.offline,
        db_repositories=options.db_repository or variables.repositories.get("db-repository", ()),
        timeout=options.timeout,
    )
    return SbomMatcher(
        trivy, scan_options, at_once=MATCHES, temp=context.temp, now=context.now, progress=context.progress
    )


class CurrencyJudge:
    """Judges whether digests need nothing, each by its own policy; threads may call it at once.

    Attributes:
        at_once: how many are judged at a time: each verification of a signature is a process.
    """

    def __init__(
        self,
        judges: dict[str, PolicyJudge],
        template: TagTemplate,
        context: Context,
        within: timedelta,
        matcher: SbomMatcher | None = None,
    ) -> None:
        self._matcher = matcher
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
            matcher = _create_matcher(options, context, registries) if fleet.match_sboms and judges else None
            yield cls(judges, options.patched_tag, context, timedelta(seconds=fleet.rescan_seconds), matcher)

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
        presumed = self._currency(judge, currency.presume_signed(collected), self._within)
        if isinstance(presumed, Current):
            return self._currency(judge, judge.verify(collected), self._within)
        return self._match(judge, reference, collected, presumed) if self._matcher is not None else presumed

    def _currency(self, judge: PolicyJudge, evidence: Evidence, within: timedelta) -> Current | str:
        return currency.judge_currency(judge.policy, evidence, self._context.now, within)

    def _match(self, judge: PolicyJudge, reference: Reference, collected: Evidence, why: str) -> Current | str:
        """Return what makes an image current whose report is older, by its SBOM; else why it has work to do.

        Args:
            judge: of the image.
            reference: of it.
            collected: the evidence beside it, as if nobody had signed it.
            why: it has work to do without a match.
        """
        within = match_rules.longest_age(judge.policy, self._within)
        longer = self._currency(judge, currency.presume_signed(collected), within)
        if isinstance(longer, str):
            return why
        verified = judge.verify(collected)
        current = self._currency(judge, verified, within)
        if isinstance(current, str) or self._matcher is None:
            return why if isinstance(current, Current) else current
        pinned = reference.at(reference.digest)

        def read(digest: str) -> EvidenceDocument | None:
            listed = judge.registry.referrers(pinned, artifact_types.SPDX)
            descriptor = next((referrer for referrer in listed if referrer.digest == digest), None)
            return judge.read(descriptor, pinned) if descriptor is not None else None

        unchanged = self._matcher(judge.policy, verified.reports, read, pinned.pinned)
        return f"{why}, and {unchanged}" if isinstance(unchanged, str) else currency.with_match(current, unchanged)
