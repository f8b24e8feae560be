"""The signatures of a digest: read, and verified where trust was configured."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import signatures as stored
from s3c_actions.registry.oci_layout import OciLayout
from s3c_actions.steps.trace.referrers import clause, listed_at
from s3c_actions.trace.model import SignatureTrust, TracedSignature

if TYPE_CHECKING:
    from s3c_actions.registry import Descriptor, Manifest
    from s3c_actions.steps.trace.tools import SignatureChecker, TraceTools


class SignatureReader:
    """Reads and verifies signatures.

    Args:
        tools: of the trace; without a checker nothing is verified.
    """

    def __init__(self, tools: TraceTools) -> None:
        self._registry, self._checker = tools.registry, tools.checker

    def read(self, reference: Reference, subject: Manifest, listed: Descriptor) -> TracedSignature:
        """Read one signature, and verify it when trust was configured."""
        at = listed_at(listed)
        try:
            signature = stored.read(self._registry, reference, listed)
        except (S3CError, ValueError) as error:
            return TracedSignature(digest=listed.digest, listed=at, trust=SignatureTrust.BROKEN, reason=clause(error))
        envelope = signature.envelope
        read = TracedSignature(
            digest=listed.digest,
            trust=SignatureTrust.UNCHECKED,
            listed=at,
            signature_format=envelope.signature_format,
            signer=envelope.signer,
            issuer=envelope.issuer,
            thumbprint=envelope.thumbprint,
            signed_at=envelope.signed_at,
            expires=envelope.expires,
            timestamped=envelope.timestamped,
            metadata=envelope.metadata,
        )
        if envelope.target != reference.digest:
            return replace(read, trust=SignatureTrust.BROKEN, reason="it was made for another digest and moved here")
        if self._checker is None:
            return read
        trust, reason = self._verify(self._checker, reference, subject, signature.manifest, signature.content)
        return replace(read, trust=trust, reason=reason)

    def _verify(
        self, checker: SignatureChecker, reference: Reference, subject: Manifest, signature: Manifest, envelope: bytes
    ) -> tuple[SignatureTrust, str]:
        folder = Path(tempfile.mkdtemp(prefix="trace-", dir=checker.temp))
        try:
            layout = OciLayout(folder / "image")
            digest = layout.add_manifest(subject.content, subject.descriptor.media_type)
            layout.add(envelope)
            layout.add(self._registry.blob(reference, str(signature.document["config"]["digest"])))
            layout.add_manifest(signature.content)
            refusals = []
            for home in checker.homes:
                try:
                    checker.notation.verify_layout(home, layout.folder, digest, reference.name)
                except Refused as refused:
                    refusals.append(refused.what)
                else:
                    return SignatureTrust.TRUSTED, ""
        except InputError:
            raise  # the trust store or the policy cannot be used: no verdict on any signature
        except (S3CError, KeyError, TypeError) as error:
            return SignatureTrust.BROKEN, clause(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return SignatureTrust.REFUSED, " ".join(dict.fromkeys(refusals))
