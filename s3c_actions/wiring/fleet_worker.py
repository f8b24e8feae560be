"""Create the worker of a fleet's shard: it takes one planned image through the chain, by that image's own policy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import store
from s3c_actions.fleet.plan import PlannedImage
from s3c_actions.options.fleet_run import FleetRunInputs
from s3c_actions.options.report import PolicyOptions
from s3c_actions.registry import RepositorySource
from s3c_actions.registry.content import normalize_platform
from s3c_actions.result.model import ImageOutcome
from s3c_actions.steps import chain, mirror
from s3c_actions.steps.chain import ChainSettings, ChainSteps
from s3c_actions.wiring.attaching import attacher_for_scanner
from s3c_actions.wiring.chaining import prepare_verification, sign_step, verify_step
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.images import failed
from s3c_actions.wiring.logins import create_logins, create_registry, logins_of
from s3c_actions.wiring.patching import open_patcher
from s3c_actions.wiring.scanning import create_scanner
from s3c_actions.wiring.settings_files import policy_path
from s3c_actions.wiring.signing import open_signing_key
from s3c_actions.wiring.smoking import create_comparison
from s3c_actions.wiring.vouching import VouchCheck, by_options, vouch_by_policy

if TYPE_CHECKING:
    from s3c_actions.registry import Registry
    from s3c_actions.result.model import VerifyResult
    from s3c_actions.steps.sign import SigningKey
    from s3c_actions.wiring.attaching import Attacher
    from s3c_actions.wiring.patching import ImagePatcher
    from s3c_actions.wiring.scanning import ImageScanner


_OVERLAP = timedelta(hours=1)
"""Runs that begin within this time of each other may work on the same image."""


class PolicyTools(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that depend on the policy of an image; the attacher is None when nothing is attached."""

    scanner: ImageScanner
    patcher: ImagePatcher
    attacher: Attacher | None


class FleetWorker(msgspec.Struct, frozen=True, kw_only=True):
    """Takes planned images through the chain; several threads may call it at once.

    Attributes:
        tools: of each policy that the plan names, or why that policy cannot be used.
        folders: image of the plan → folder of its reports.
        pushed: the registries where patches are pushed and signed, for which `registry` has the credentials given.
        sources: reads images of other registries, which are copied.
        handed: image of the plan → what a run without a key made of it, to be signed as it is; None where this run
            patches.
    """

    context: Context
    pushed: frozenset[str]
    tools: Mapping[str, PolicyTools | S3CError]
    folders: Mapping[str, Path]
    registry: Registry
    sources: Registry
    signer: SigningKey | None
    verify: Callable[[str], VerifyResult] | None
    handed: Mapping[str, Reference] | None = None

    def process(self, image: PlannedImage) -> ImageOutcome:
        """Scan, patch, rescan, judge, sign and attach one image; a failure is in its outcome."""
        outcome = ImageOutcome(image=image.image)
        tools = self.tools[image.policy]
        if isinstance(tools, S3CError):
            return failed(outcome, copy.copy(tools))  # each image's failure names its own image
        try:
            reference = self._find(image) if self.handed is None else self._take(image, self.handed)
            steps = self._steps(tools, image)
        except S3CError as error:
            return failed(outcome, error)
        (outcome,) = chain.run(
            ChainSettings(
                images=(str(reference),),
                gate=tools.scanner.settings.gate,
                unexpected_changes=tools.patcher.options.unexpected_changes,
            ),
            steps,
            self.context.progress,
        )
        if outcome.failure is None:
            outcome = self._check_listed(outcome)
        return replace(outcome, image=image.image)

    def _check_listed(self, outcome: ImageOutcome) -> ImageOutcome:
        """Return the outcome, failed when the registry lists not all that was put beside the image.

        Where there is no Referrers API the list is a tag, and a signer who writes it at the same moment, as notation
        does in another run, drops what it did not see.
        """
        expected = {document.digest for document in outcome.attach.documents} if outcome.attach is not None else set()
        if outcome.sign is not None:
            expected.add(outcome.sign.signature_digest)
        if not expected:
            return outcome
        try:
            listed = {referrer.digest for referrer in self.registry.referrers(Reference.parse(outcome.reference))}
        except S3CError as error:
            return failed(outcome, error)
        if expected <= listed:
            return outcome
        lost = OutsideError(
            f"What was put beside {outcome.reference} was pushed, but the registry does not list it.",
            cause="Another signer wrote the list of referrers at the same moment.",
            remedy="Run it again: what is missing is put there again. A registry with the Referrers API loses nothing.",
        )
        return failed(outcome, lost)

    def _steps(self, tools: PolicyTools, image: PlannedImage) -> ChainSteps:
        folder = self.folders[image.image]
        attacher, signer, verify = tools.attacher, self.signer, self.verify
        patcher = tools.patcher
        if image.smoke is not None and self.handed is None:
            comparison = create_comparison(
                image.smoke.at_least(patcher.options.smoke),
                self.context,
                self.registry,
                programs_mirror=patcher.options.programs_mirror,
            )
            patcher = replace(patcher, smoke=comparison)
        return ChainSteps(
            resolve=lambda image: image,
            scan=lambda image: tools.scanner.look(image, folder),
            patch=(lambda scan: patcher.patch(scan.image, folder, scan)) if self.handed is None else None,
            sign=sign_step(signer, self.context) if signer is not None else None,
            attach=(lambda outcome: attacher.attach(outcome, "fleet run")) if attacher is not None else None,
            verify=verify_step(verify, self.context) if signer is not None and verify is not None else None,
        )

    @staticmethod
    def _take(image: PlannedImage, handed: Mapping[str, Reference]) -> Reference:
        """Return what was handed on for an image.

        Raises:
            OutsideError: nothing was.
        """
        if image.image not in handed:
            raise OutsideError(
                f"No patched digest of {image.reference.name} was handed on.",
                cause="The run that patches failed on it, or did not come to it; its result says why.",
                remedy="Run the shard again; what it had finished is not done twice.",
                image=image.image,
            )
        return handed[image.image]

    def _find(self, image: PlannedImage) -> Reference:
        """Return the image to work on: the planned digest, copied first where it has another target.

        Raises:
            InputError: the digest is there no more, or platforms are chosen of an image that is not copied.
            OutsideError: a registry failed.
        """
        planned = image.reference
        registry = self.registry if planned.registry in self.pushed else self.sources
        manifest = registry.manifest(planned)
        if planned.tag:
            self._note_moved_tag(planned, registry)
        if image.target:
            return self._copy(image, planned, registry)
        wanted = {normalize_platform(platform) for platform in image.platforms}
        has = {normalize_platform(platform) for platform in manifest.descriptor.platforms}
        if wanted and manifest.descriptor.is_index and has - wanted:
            raise InputError(
                "platforms",
                f"they leave out {', '.join(sorted(has - wanted))} of the image.",
                cause="What is signed is judged as a whole, so that nothing of it is left out.",
                remedy="Give the selection a `target` that the chosen platforms are copied to, or no platforms.",
            )
        return planned

    def _note_moved_tag(self, planned: Reference, registry: Registry) -> None:
        current = registry.find(replace(planned, digest=""))
        if current is None or current.descriptor.digest != planned.digest:
            now = f"is {current.descriptor.digest}" if current is not None else "does not exist"
            self.context.progress.notice(
                f"{planned.name}:{planned.tag} {now} by now; the digest of the plan is worked on, and the next plan "
                "takes the new one."
            )

    def _copy(self, image: PlannedImage, planned: Reference, registry: Registry) -> Reference:
        target = Reference.parse(image.target, field="target")
        settings = mirror.MirrorSettings(
            image=image.image, target=replace(target, tag=planned.tag, digest=""), platforms=image.platforms
        )
        with self.context.progress.step("mirror") as step:
            try:
                result = mirror.run(
                    settings, RepositorySource(registry, planned, field="image"), self.registry, self.context.progress
                )
            except S3CError as error:
                step.done(error.what)
                raise
            step.done(f"→ {result.reference}" + (", there already" if result.skipped else ""))
        return replace(Reference.parse(result.reference), tag=result.tag)


def _require_signed_plan(given: str, place: Reference, vouched: VouchCheck | None) -> None:
    """Refuse to sign by a plan that anybody who may push to its repository could have put there.

    Raises:
        Refused: it was given by its tag, and no trusted signature covers it.
    """
    if store.parse_place(given).digest or (vouched is not None and vouched(place.pinned)):
        return
    raise Refused(
        f"The plan {place} is not signed by whom this run trusts, so nothing is signed by it.",
        cause="It was published without a key, by another key, or by somebody else who may push there.",
        remedy="Give `s3c fleet plan --publish` the key too, or give the plan by its digest, which that prints.",
    )


@contextmanager
def open_worker(
    options: FleetRunInputs,
    context: Context,
    images: tuple[PlannedImage, ...],
    folders: Mapping[str, Path],
    place: Reference | None,
    *,
    handed: Mapping[str, Reference] | None = None,
) -> Iterator[FleetWorker]:
    """Open the worker that the inputs describe; what it started is stopped when the context ends.

    Args:
        options: of the command.
        context: of the run, with its limits.
        images: of the shard.
        folders: image → folder of its reports.
        place: of the plan in a registry; None for a file.
        handed: as of `FleetWorker`.

    Raises:
        InputError: an input or the key is wrong: nothing has been pushed.
        OutsideError: a program could not be obtained.
        Refused: the plan was given by its tag, and is not signed.
    """
    pushed = tuple(sorted({image.target or image.reference.pinned for image in images}))
    hosts = _registries(options, pushed, place)
    with ExitStack() as stack:
        signer = verify = home = None
        if options.sign:
            signer = stack.enter_context(open_signing_key(options, context, hosts))
            verify, home = prepare_verification(options, context, signer, stack)
        vouched: VouchCheck | None
        if signer is not None and home is not None:
            vouched = vouch_by_policy(signer.notation, home)
        else:
            vouched = stack.enter_context(by_options(options, context, hosts))
        if signer is not None and place is not None:
            _require_signed_plan(options.plan, place, vouched)
        attaches = bool(options.attach) and signer is not None
        scanner = create_scanner(options, context, pushed, evidence=attaches)
        patcher = stack.enter_context(open_patcher(options, context, scanner, pushed, vouched))

        def tools_of(scanner: ImageScanner) -> PolicyTools:
            attacher = attacher_for_scanner(options, context, signer, scanner) if attaches and signer else None
            if attacher is not None:
                attacher = replace(
                    attacher,
                    prune_required=options.given(FleetRunInputs.prune_evidence),
                    # What a run that overlaps with this one has put there stays: the next night's run deletes it.
                    prune_before=format_moment(context.now - _OVERLAP),
                )
            return PolicyTools(scanner=scanner, patcher=replace(patcher, scanner=scanner), attacher=attacher)

        tools: dict[str, PolicyTools | S3CError] = {"": tools_of(scanner)}
        for name in sorted({image.policy for image in images} - {""}):
            try:
                own = options.replaced({PolicyOptions.policy: policy_path(context, name)})
                tools[name] = tools_of(create_scanner(own, context, pushed, evidence=attaches))
            except S3CError as error:
                tools[name] = error
        yield FleetWorker(
            context=context,
            pushed=frozenset(hosts),
            tools=tools,
            folders=folders,
            registry=create_registry(options, create_logins(options, context, hosts)),
            sources=create_registry(options, logins_of(("", ""), "registry", options, context, ())),
            signer=signer,
            verify=verify,
            handed=handed,
        )


def _registries(options: FleetRunInputs, pushed: Iterable[str], place: Reference | None) -> set[str]:
    """Return the registries that patches are pushed to, which the credentials given are for.

    Raises:
        InputError: credentials are given, and it is ambiguous which registry they are for.
    """
    hosts = {Reference.parse(name).registry for name in pushed}
    known = hosts | ({place.registry} if place is not None else set())
    if options.registry_username and len(known) > 1:
        raise InputError(
            "registry-username",
            f"the plan and its images are in several registries ({', '.join(sorted(known))}).",
            remedy="Use `docker login` for each, and leave the credentials out.",
        )
    return hosts
