"""Judge an image by the evidence beside it in the registry, as the cluster's gate would at this moment."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.reference import Reference
from s3c_actions.policy import break_glass
from s3c_actions.policy import judge as judging
from s3c_actions.policy.break_glass import ExceptionDocument, JudgedException
from s3c_actions.policy.export import store_name, timestamp_store_name, trust_policies
from s3c_actions.policy.forecast import describe_changes
from s3c_actions.policy.judge import Evidence, EvidenceDocument, SignerStatus
from s3c_actions.policy.objection import Objection
from s3c_actions.programs.notation.home import NotationHome
from s3c_actions.result.model import PolicyJudgement
from s3c_actions.signing import certificates, key_files

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy
    from s3c_actions.registry import Descriptor, Registry
    from s3c_actions.steps.protocols import Verifier

# The times that Ratify accepts; it passes on a document without one unread.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


class PolicyJudge(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with everything needed to judge by it.

    Attributes:
        homes: notation's configurations: each trusts one of the policy's signers only, so that one signer's identities
            do not count below another's authority.
        granters: name of a signer that may grant exceptions → the configuration that trusts that one.
        now: the time of the decision.
    """

    policy: Policy
    registry: Registry
    notation: Verifier
    homes: tuple[NotationHome, ...]
    now: datetime
    granters: Mapping[str, NotationHome] = msgspec.field(default_factory=dict)

    def evidence(self, reference: Reference) -> Evidence:
        """Return everything beside an image that the policy judges.

        Args:
            reference: with a digest.

        Raises:
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        return self.verify(self.collect(reference))

    def collect(self, reference: Reference, *, most: int | None = None) -> Evidence:
        """Return what lies beside an image, as if nobody had signed any of it.

        Args:
            reference: with a digest.
            most: reports that are read; None: all.

        Raises:
            OutsideError: as `evidence`, or there are more.
        """
        referrers = self.registry.referrers(reference)
        listed = sum(referrer.artifact_type == artifact_types.SARIF for referrer in referrers)
        if most is not None and listed > most:
            raise OutsideError(
                f"{reference.pinned} has {listed:,} reports, and at most {most:,} are read.",
                cause="Old ones are never deleted, or somebody else pushes them.",
                remedy="Delete the old ones: `prune-evidence` does so where new ones are attached.",
                image=reference.pinned,
            )
        reports = tuple(
            EvidenceDocument(
                digest=referrer.digest,
                trust=SignerStatus.UNSIGNED,
                content=self._content(referrer, reference),
                attached=_time(referrer),
            )
            for referrer in referrers
            if referrer.artifact_type == artifact_types.SARIF
        )
        wanted = artifact_types.SPDX if self.policy.needs_sbom else ""
        sboms = tuple(
            EvidenceDocument(digest=referrer.digest, trust=SignerStatus.UNSIGNED, content=None)
            for referrer in referrers
            if referrer.artifact_type == wanted != ""
        )
        return Evidence(
            reference=reference.pinned,
            subject=reference.digest,
            trust=SignerStatus.UNSIGNED,
            reports=reports,
            sboms=sboms,
            exceptions=self._collect_exceptions(reference, referrers),
        )

    def _collect_exceptions(
        self, reference: Reference, referrers: Iterable[Descriptor]
    ) -> tuple[ExceptionDocument, ...]:
        """Return the exceptions beside an image, as if nobody had signed them; unread where none can count."""
        listed = [referrer for referrer in referrers if referrer.artifact_type == artifact_types.EXCEPTION]
        read = bool(self.policy.granters) and len(listed) <= break_glass.MOST
        return tuple(
            ExceptionDocument(digest=referrer.digest, content=self._content(referrer, reference) if read else None)
            for referrer in listed
        )

    def exceptions(self, reference: Reference) -> tuple[JudgedException, ...]:
        """Return the break-glass exceptions beside an image, with why those do not count that do not.

        Args:
            reference: with a digest.

        Raises:
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        listed = self.registry.referrers(reference, artifact_types.EXCEPTION)
        documents = self._verify_exceptions(self._collect_exceptions(reference, listed), reference)
        return break_glass.judge_exceptions(self.policy, documents, reference.digest, self.now)

    def _verify_exceptions(
        self, documents: tuple[ExceptionDocument, ...], reference: Reference
    ) -> tuple[ExceptionDocument, ...]:
        decisive = break_glass.to_verify(self.policy, documents, reference.digest, self.now)
        return tuple(
            self._with_granter(document, reference.at(document.digest)) if document.digest in decisive else document
            for document in documents
        )

    def _with_granter(self, document: ExceptionDocument, place: Reference) -> ExceptionDocument:
        signatures = self.registry.referrers(place, artifact_types.SIGNATURE)
        if not any(referrer.artifact_type == artifact_types.SIGNATURE for referrer in signatures):
            return document
        granter = next((name for name, home in self.granters.items() if self._verifies(home, place)), "")
        return replace(document, signed=True, granter=granter)

    def verify(self, collected: Evidence) -> Evidence:
        """Return what `collect` returned, with who signed what decides; raises as `evidence` does."""
        reference = Reference.parse(collected.reference)
        # Only the signers of the newest matter, and every verification is a run of notation.
        decisive = judging.decisive_documents(collected.reports)
        return replace(
            collected,
            trust=self._trust(reference, self.registry.referrers(reference, artifact_types.SIGNATURE)),
            reports=tuple(
                self._with_trust(report, reference) if report.digest in decisive else report
                for report in collected.reports
            ),
            sboms=tuple(
                self._with_trust(sbom, reference) if sbom.digest in decisive else sbom for sbom in collected.sboms
            ),
            exceptions=self._verify_exceptions(collected.exceptions, reference),
        )

    def read(self, referrer: Descriptor, reference: Reference) -> EvidenceDocument:
        """Return a document beside an image with who signed it; raises as `evidence` does.

        Args:
            referrer: the document, among the image's referrers.
            reference: of the image, with a digest.
        """
        document = EvidenceDocument(
            digest=referrer.digest,
            trust=SignerStatus.UNSIGNED,
            content=self._content(referrer, reference),
            attached=_time(referrer),
        )
        return self._with_trust(document, reference) if document.content is not None else document

    def _content(self, referrer: Descriptor, reference: Reference) -> bytes | None:
        """Return the document; None when it cannot be fetched, or when Ratify would not pass it on."""
        if not _RFC3339.fullmatch(_time(referrer)):
            return None
        try:
            layers = self.registry.manifest(reference.at(referrer.digest)).document.get("layers")
            return self.registry.blob(reference, str(layers[0]["digest"])) if layers else None
        except (InputError, OutsideError, KeyError, TypeError, IndexError):
            return None

    def _with_trust(self, document: EvidenceDocument, reference: Reference) -> EvidenceDocument:
        document_reference = reference.at(document.digest)
        return replace(
            document,
            trust=self._trust(
                document_reference, self.registry.referrers(document_reference, artifact_types.SIGNATURE)
            ),
        )

    def _trust(self, reference: Reference, referrers: tuple[Descriptor, ...]) -> SignerStatus:
        if not any(referrer.artifact_type == artifact_types.SIGNATURE for referrer in referrers):
            return SignerStatus.UNSIGNED
        if any(self._verifies(home, reference) for home in self.homes):
            return SignerStatus.ALLOWED
        return SignerStatus.STRANGER

    def _verifies(self, home: NotationHome, reference: Reference) -> bool:
        try:
            self.notation.verify(home, reference.pinned, {})
        except Refused:
            return False
        return True


def _time(referrer: Descriptor) -> str:
    return referrer.annotations.get(artifact_types.CREATED, "")


@contextmanager
def prepare(
    policy: Policy, *, registry: Registry, notation: Verifier, temp: Path, now: datetime
) -> Iterator[PolicyJudge]:
    """Prepare to judge by a policy; the files written for it are removed at the end.

    Args:
        policy: whose signers hold their certificates' text.
        registry: of the images.
        notation: verifies signatures.
        temp: where a folder is created.
        now: the time of the decision.

    Raises:
        InputError: as `policy.export.trust_policies` does, or a certificate in the policy is invalid.
    """
    folder = Path(tempfile.mkdtemp(prefix="s3c-judge-", dir=temp))
    try:
        homes: dict[str, NotationHome] = {}
        for signer, trust_policy in zip(policy.signers, trust_policies(policy), strict=True):
            chain = key_files.read_chain(signer.certificate_pem.encode(), "policy")
            home = NotationHome(folder / signer.name)
            home.folder.mkdir()
            home.write_policy(trust_policy)
            stores = [("ca", store_name(signer), certificates.encode_pem(chain))]
            if signer.timestamp_roots:
                stores.append(("tsa", timestamp_store_name(signer), signer.timestamp_pem.encode()))
            home.copy_trust_store(stores)
            homes[signer.name] = home
        yield PolicyJudge(
            policy=policy,
            registry=registry,
            notation=notation,
            homes=tuple(homes[signer.name] for signer in policy.image_signers),
            granters={signer.name: homes[signer.name] for signer in policy.granters},
            now=now,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(judge: PolicyJudge, reference: Reference) -> PolicyJudgement:
    """Judge one image.

    Args:
        judge: as `prepare` returned it.
        reference: with a digest.

    Raises:
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    started = time.monotonic()
    evidence = judge.evidence(reference)
    return PolicyJudgement(
        reference=reference.pinned,
        policy=judge.policy.digest,
        refusals=judging.judge_evidence(judge.policy, evidence, judge.now),
        exceptions=break_glass.judge_exceptions(judge.policy, evidence.exceptions, reference.digest, judge.now),
        seconds=time.monotonic() - started,
    )


def rejected_error(judgement: PolicyJudgement) -> Refused | None:
    """Return the error of an image that the policy rejects, or will reject; None when it admits it."""
    if judgement.forecast and not judgement.refusals:
        coming = describe_changes(judgement.forecast)
        more = f" ({len(coming) - 1} more to come)" if len(coming) > 1 else ""
        return Refused(
            f"The policy admits {judgement.reference} today, and refuses it from {coming[0]}{more}.",
            cause="A grace, an exception, a report or a signature ends.",
            remedy="Do what is named before that day.",
            image=judgement.reference,
        )
    if not judgement.refusals:
        return None
    return Refused(
        f"The policy refuses {judgement.reference}: {describe_objections(judgement.refusals)}.",
        cause="The cluster's gate would say the same, if it has this policy.",
        remedy="Do what is named; `s3c policy check` judges again.",
        image=judgement.reference,
    )


def describe_objections(refusals: tuple[Objection, ...]) -> str:
    """Return all objections of a policy to an image, in one line."""
    return "; ".join(refusal.text for refusal in refusals)
