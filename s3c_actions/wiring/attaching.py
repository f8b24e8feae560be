"""Create an attacher from the options: which reports, statements and SBOMs are attached to an image."""

from __future__ import annotations

import json
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from s3c_actions import __version__
from s3c_actions.core import reading
from s3c_actions.core.artifact_types import PREDICATES, VERDICT
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.evidence import sbom
from s3c_actions.evidence.statement import Statement
from s3c_actions.findings import trivy_report
from s3c_actions.options.evidence import EvidenceOptions
from s3c_actions.programs.trivy.trivy import Conversion
from s3c_actions.registry import Writer
from s3c_actions.report.format_registry import by_name
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from s3c_actions.result import document as result
from s3c_actions.result.model import AttachedEvidence, AttachResult, ImageOutcome, Outcome, ScanResult
from s3c_actions.steps import assess, attach, sign
from s3c_actions.steps.attach import AttachTarget, AttachTools
from s3c_actions.steps.merge import merge_scans
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.statements import StatementSource

if TYPE_CHECKING:
    from s3c_actions.findings.threshold import Threshold
    from s3c_actions.policy.model import Policy
    from s3c_actions.programs.trivy.trivy import Trivy
    from s3c_actions.registry import Descriptor, Registry
    from s3c_actions.report.document import PatchEntry
    from s3c_actions.steps.assess import Criteria
    from s3c_actions.steps.sign import SigningKey
    from s3c_actions.wiring.earlier import Earlier
    from s3c_actions.wiring.scanning import ImageScanner

_ORDER = ("spdx", "cyclonedx", "vex", "result", *PREDICATES, "sarif")
_VOLATILE = frozenset(
    {
        "seconds",
        "files",
        "vex",
        "skipped",
        "reused",
        "reason",
        "programs",
        "days_left",
        "difference",
        "attach",
        "admission",
    }
)


class Attacher(msgspec.Struct, frozen=True, kw_only=True):
    """Attach evidence to images; everything but the image is bound once for all images of a run.

    Attributes:
        prune_required: that the registry allows no deletions is an error, and not a reason to keep what is there.
        prune_before: as of `steps.attach.prune`.
        openvex: what the patch fixed, when the patch is not part of this run.
        patch: the facts of that patch, from the result of that run.
    """

    kinds: tuple[str, ...]
    prune: bool
    prune_required: bool = True
    prune_before: str = ""
    gate: Threshold
    policy: Policy | None
    openvex: Path | None
    patch: PatchEntry | None = None
    registry: Registry
    trivy: Trivy
    tools: AttachTools
    context: Context

    def of(self, earlier: Earlier, image: str) -> Attacher:
        """Return a copy with the OpenVEX document and the patch facts that earlier steps wrote for an image."""
        return replace(self, openvex=earlier.openvex.get(image), patch=earlier.patches.get(image))

    def attach(self, outcome: ImageOutcome, command: str) -> AttachResult:
        """Attach the evidence of an image that has been scanned, to it and to each platform of an index.

        Args:
            outcome: what was done so far; the report describes its last scan.
            command: name of the command that did it.

        Raises:
            InputError: the scan is not of this image, or looked for no vulnerabilities.
            OutsideError: the registry, Trivy or notation failed.
        """
        scan = outcome.last_scan
        if scan is None:
            raise InputError("attach", "there is no scan to make evidence of.", remedy="Give `report`.")
        with self.context.progress.step("attach") as step:
            try:
                reference = Reference.parse(outcome.reference)
                subject = self.registry.resolve(reference)
                if subject.is_index:
                    subject = self.registry.flatten(reference, subject)
                pairs = _digest_scans(subject, scan, outcome.reference)
                platforms = []
                parts = pairs if pairs[0][0] != reference.digest else []
                # Whoever signed the index vouches for its platforms; evidence alone vouches for no image.
                vouched = bool(parts) and self.tools.signed(reference.pinned)
                for digest, platform_scan in parts:
                    platform_reference = reference.at(digest)
                    if vouched:
                        self.tools.sign(platform_reference.pinned)
                    platforms.append(self._attach([(digest, platform_scan)], platform_reference, None, command))
                result = replace(self._attach(pairs, reference, outcome, command), platforms=tuple(platforms))
            except S3CError as error:
                step.done(error.what)
                raise
            step.done(_describe_result(result))
        return result

    def _attach(
        self, pairs: list[tuple[str, ScanResult]], reference: Reference, outcome: ImageOutcome | None, command: str
    ) -> AttachResult:
        """Attach the documents of one digest; without an outcome, only those of a platform."""
        started = time.monotonic()
        place = attach.find_attach_target(reference, self.registry)
        stated = Statement(
            subject=reference.digest,
            gate=self.gate,
            blind="",
            policy=self.policy.digest if self.policy is not None else "",
            packages=self.policy.packages.refuse if self.policy is not None else (),
            licenses=self.policy.licenses.refuse if self.policy is not None else (),
        )
        statements = [_scan_statement(stated, scan).facts(scan.report) for _, scan in pairs]
        created = min(facts["created"] for facts in statements)
        if not created:
            raise InputError("report", "it does not say when the scan was made.", image=reference.pinned)
        annotations = attach.statement_annotations(
            {
                **statements[0],
                "platform": ",".join(facts["platform"] for facts in statements),
                "verdict": "refused" if any(facts["verdict"] == "refused" for facts in statements) else "passed",
            },
            __version__,
        )
        attached: list[AttachedEvidence] = []

        @cache
        def document(kind: str) -> bytes | None:
            """Return what is attached by itself and within a statement, made once."""
            if kind in {"spdx", "cyclonedx"}:
                return self._sbom(kind, pairs, reference, created)
            return self._openvex(outcome, created) if outcome is not None else None

        source = StatementSource(
            reference=reference,
            scans=[scan for _, scan in pairs],
            created=created,
            passed=annotations[VERDICT] == "passed",
            gate=self.gate,
            policy=stated.policy,
            document=document,
            patch=(self.patch or outcome.patch) if outcome is not None else None,
            environment=self.context.environment,
        )
        # The SBOM comes first because the report names it; the report comes last because the image is judged by it.
        for kind in sorted(self.kinds, key=_ORDER.index):
            content: bytes | None = None
            if kind == "sarif":
                sbom = next((evidence.digest for evidence in attached if evidence.kind == "spdx"), "")
                content = self._sarif(pairs, replace(stated, sbom=sbom))
            elif kind in PREDICATES:
                content = source.render(kind)
            elif kind != "result":
                content = document(kind)
            elif outcome is not None:
                content = self._result(outcome, command, created)
            if content is not None:
                attachment = attach.Attachment(kind=kind, content=content, created=created, annotations=annotations)
                attached.append(attach.attach(attachment, place, self.tools))
        return AttachResult(
            reference=reference.pinned,
            documents=tuple(attached),
            pruned=self._prune(attached, place) if self.prune else (),
            seconds=time.monotonic() - started,
        )

    def _prune(self, attached: list[AttachedEvidence], place: AttachTarget) -> tuple[str, ...]:
        try:
            return attach.prune(attached, place, self.tools, self.prune_before)
        except OutsideError as error:
            if self.prune_required:
                raise
            self.context.progress.note(f"{place.reference}: earlier evidence stays: {error.what}")
            return ()

    @staticmethod
    def _sarif(pairs: list[tuple[str, ScanResult]], stated: Statement) -> bytes:
        scans = [(scan.report, _scan_statement(stated, scan)) for _, scan in pairs]
        return sarif.render_evidence(scans, Rendering())

    def _sbom(self, kind: str, pairs: list[tuple[str, ScanResult]], reference: Reference, created: str) -> bytes | None:
        if kind == "cyclonedx" and len(pairs) > 1:
            return None  # a document describes one image; each platform has its own
        converted = []
        with tempfile.TemporaryDirectory(prefix="evidence-", dir=self.context.temp) as folder:
            for _, scan in pairs:
                path = Path(folder) / f"{kind}.json"
                self.trivy.convert(scan.trivy_json, Conversion(name=kind, form=by_name(kind).trivy, output=path))
                converted.append((scan.report.platform, reading.read_file(path, reading.MAX_REPORT_BYTES)))
        if kind == "spdx":
            return sbom.render_spdx(converted, reference.pinned, created)
        return sbom.render_cyclonedx(converted[0][1], reference.pinned, created)

    def _openvex(self, outcome: ImageOutcome, created: str) -> bytes | None:
        """Return the OpenVEX document of the patch, with the date of the scan that proves it; None without one."""
        path = self.openvex or (outcome.patch.vex if outcome.patch is not None else None)
        if path is None:
            return None
        try:
            document = reading.parse_json(reading.read_file(path, reading.MAX_DOCUMENT_BYTES))
        except (OSError, ValueError) as error:
            raise InputError("openvex", f"{path} cannot be read as JSON.", original=str(error)) from error
        if not isinstance(document, dict) or "statements" not in document:
            raise InputError("openvex", f"{path} is no OpenVEX document.", remedy="Give what the patch step wrote.")
        return json.dumps({**document, "timestamp": created}, indent=2).encode()

    def _result(self, outcome: ImageOutcome, command: str, created: str) -> bytes:
        """Return the facts of result.json that are the same in every run: no times, no paths of this machine."""
        run_outcome = Outcome(command=command, images=(outcome,))
        document = result.build_document(run_outcome, self.context.now, self.context.secrets)
        if self.patch is not None:
            (image,) = document.images
            patch = result.redacted(self.patch, self.context.secrets)
            document = replace(document, images=(replace(image, patch=patch),))
        return result.render_document(
            _remove_volatile(msgspec.to_builtins(replace(document, created=created)))
        ).encode()


def _scan_statement(common: Statement, scan: ScanResult) -> Statement:
    """Return the statement on one scan. It does not judge the age of the scan: whoever judges by it does."""
    unseen = scan.blind or scan.left_out
    return replace(
        common,
        blind=unseen or scan.overridden,
        unscanned="warn" if scan.overridden and not unseen else "fail",
        contents=scan.contents,
        objected=bool(scan.objections),
        scope=scan.scope,
        uncovered=scan.uncovered,
    )


def _remove_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _remove_volatile(part) for key, part in value.items() if key not in _VOLATILE}
    return [_remove_volatile(part) for part in value] if isinstance(value, (list, tuple)) else value


def _describe_result(result: AttachResult) -> str:
    documents = [*result.documents, *(document for platform in result.platforms for document in platform.documents)]
    new = [document for document in documents if not document.skipped]
    pruned = len(result.pruned) + sum(len(platform.pruned) for platform in result.platforms)
    kinds = ", ".join(dict.fromkeys(document.kind for document in new or documents))
    text = f"{counted(len(new), 'document')} attached and signed ({kinds})" if new else f"all there already ({kinds})"
    return text + (f", {pruned} earlier ones deleted" if pruned else "")


def _digest_scans(subject: Descriptor, scan: ScanResult, reference: str) -> list[tuple[str, ScanResult]]:
    """Return the digest of each image and its scan; for an index, one pair of every platform."""
    scans = scan.parts or (scan,)
    if not subject.is_index:
        return [(subject.digest, scans[0])]
    if len(subject.images) == 1 and len(scans) == 1:
        return [(subject.images[0].digest, scans[0])]
    by_digest = {part.reference.rpartition("@")[2]: part for part in scans}
    missing = [image.platform for image in subject.images if image.digest not in by_digest]
    if missing:
        raise InputError(
            "image",
            f"{', '.join(missing)} of it was not scanned, and evidence of an index has to cover every platform.",
            remedy="Leave `platform` out, or give the digest of one platform's image.",
            image=reference,
        )
    return [(image.digest, by_digest[image.digest]) for image in subject.images]


def attacher_for_scanner(
    options: EvidenceOptions, context: Context, signer: SigningKey, scanner: ImageScanner
) -> Attacher:
    """Create the attacher for the scans of a scanner.

    Raises:
        InputError: the scans look for no vulnerabilities.
    """
    if "vuln" not in scanner.settings.options.scanners:
        raise InputError("scanners", "without `vuln` a scan is no evidence.", remedy="Add `vuln`, or attach nothing.")
    settings = scanner.settings
    return create_attacher(options, context, signer, trivy=scanner.trivy, gate=settings.gate, policy=settings.policy)


def create_attacher(
    options: EvidenceOptions,
    context: Context,
    signer: SigningKey,
    *,
    trivy: Trivy,
    gate: Threshold,
    policy: Policy | None,
) -> Attacher:
    """Create the attacher that the inputs describe.

    Args:
        options: of the command.
        context: of the run.
        signer: the image's key; its registry is read and written.
        trivy: creates the SBOMs.
        gate: the threshold that the report is judged by.
        policy: the policy that the threshold comes from; None without one.
    """
    return Attacher(
        kinds=options.attach,
        prune=options.prune_evidence,
        gate=gate,
        policy=policy,
        openvex=None,
        registry=signer.registry,
        trivy=trivy,
        tools=AttachTools(
            registry=signer.registry,
            writer=Writer(signer.registry),
            sign=lambda reference: sign.run(signer, reference, context.progress),
            signed=signer.signed,
            progress=context.progress,
            pushing=context.limits.pushes,
        ),
        context=context,
    )


def read_reports(
    paths: tuple[Path, ...], images: tuple[str, ...], registry: Registry, criteria: Criteria
) -> dict[str, ScanResult]:
    """Read the reports given, as image → scan; each report belongs to the digest that it describes.

    Raises:
        InputError: a report cannot be read, or is of none of the images, or an image or platform has none.
    """
    if not paths:
        return {}
    by_digest: dict[str, ScanResult] = {}
    indexes = _indexes(images, registry) if criteria.bases is not None else {}
    for path in paths:
        report = trivy_report.read(path)
        bases = criteria.bases.within(indexes.get(report.digest, "")) if criteria.bases is not None else None
        by_digest[report.digest] = assess.assess_given_report(
            path, image=report.image, reference="", criteria=replace(criteria, bases=bases), report=report
        )
    by_image, used = {}, set()
    for image in images:
        reference = Reference.parse(image)
        descriptor = registry.resolve(reference)
        if descriptor.is_index:
            descriptor = registry.flatten(reference, descriptor)
        digests = [platform.digest for platform in descriptor.images] if descriptor.is_index else [descriptor.digest]
        if descriptor.is_index and descriptor.digest in by_digest and len(digests) == 1:
            digests = [descriptor.digest]
        scans = []
        for digest in digests:
            if digest not in by_digest:
                raise InputError(
                    "report",
                    f"none of the reports is of {reference.name}@{digest}.",
                    cause=f"They are of {', '.join(sorted(by_digest)) or 'no digest'}.",
                    remedy="Give the report of this image (of an index, one of each platform), or none.",
                    image=image,
                )
            used.add(digest)
            scans.append(replace(by_digest[digest], image=image, reference=reference.at(digest).pinned))
        by_image[image] = merge_scans(image, reference.at(descriptor.digest), scans)
    if unused := sorted(set(by_digest) - used):
        raise InputError("report", f"{', '.join(unused)} is none of the images given.", remedy="Give its image too.")
    return by_image


def _indexes(images: tuple[str, ...], registry: Registry) -> dict[str, str]:
    """Return digest of a platform's image → the index that lists it, which has the provenance of its build."""
    indexes: dict[str, str] = {}
    for image in images:
        reference = Reference.parse(image)
        descriptor = registry.resolve(reference)
        if descriptor.is_index:
            listed = registry.flatten(reference, descriptor).images
            indexes |= {platform.digest: reference.at(descriptor.digest).pinned for platform in listed}
    return indexes
