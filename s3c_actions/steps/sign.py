"""Sign digests, and verify each signature by a trust policy that accepts this one signer; never sign twice."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference
from s3c_actions.programs.notation.errors import UnlistedSignature
from s3c_actions.programs.notation.home import NotationHome, TrustPolicy, write_private_file
from s3c_actions.programs.notation.notation import ListedSignature, SigningRequest
from s3c_actions.registry.oci_layout import OCI_MANIFEST, OciLayout
from s3c_actions.result.model import CertificateFacts, SignResult
from s3c_actions.signing import certificate_chains, certificate_identities, certificate_rules, certificates, key_files

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from s3c_actions.core.progress import Progress
    from s3c_actions.registry import Registry
    from s3c_actions.steps import protocols


@dataclass(frozen=True, kw_only=True)
class KeyFiles:
    """A private key and its certificates.

    Attributes:
        key: PEM; `certificates` PEM, leaf first.
        password: of the key, empty for one that is not encrypted.
        key_field, certificate_field: the inputs they came from, for errors.
    """

    key: bytes = field(repr=False)
    certificates: bytes
    password: str = field(default="", repr=False)
    key_field: str = "key"
    certificate_field: str = "certificate"


@dataclass(frozen=True, kw_only=True)
class Pkcs12:
    """The content of a PKCS#12 file and its password."""

    content: bytes = field(repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class PluginKey:
    """A key that a notation plugin signs with.

    Attributes:
        plugin: the plugin's name; it lies in `libexec`/plugins/NAME/notation-NAME.
        config: passed to the plugin; values may be secret.
        chain: its certificates, when they are known; otherwise, the plugin is asked.
        failure: returns the reason why the plugin did not sign a digest, when it is more specific than notation's
            message.
    """

    plugin: str
    libexec: Path
    key_id: str
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    failure: Callable[[str], S3CError | None] = field(default=lambda _digest: None, repr=False, compare=False)


class SignSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to sign.

    Attributes:
        key: the source of the key.
        request: the content of the signature.
        warning_days: warn when the certificate expires within this number of days.
    """

    key: KeyFiles | Pkcs12 | PluginKey
    request: SigningRequest
    warning_days: int = 30


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A key that has been checked and is ready to sign.

    Attributes:
        chain: the certificates, leaf first.
        home: notation's configuration for signing; `trust` the one for verifying its signatures.
        folder: for temporary files.
        failure: returns the reason why a digest was not signed, when it is more specific than notation's message.
        signing: entered around each signature that is made.
    """

    chain: tuple[x509.Certificate, ...]
    certificate: CertificateFacts
    home: NotationHome
    trust: NotationHome
    request: SigningRequest
    notation: protocols.Signer
    registry: Registry
    folder: Path
    failure: Callable[[str], S3CError | None] = field(default=lambda _digest: None, repr=False)
    signing: AbstractContextManager[object] = field(default_factory=nullcontext, repr=False)

    @property
    def renews_daily(self) -> bool:
        """Whether a time-stamped signature of the same identity counts, whichever of its certificates made it.

        A signing service issues a short-lived certificate for each few days; without this, the same digest would be
        signed again under each. A certificate of longer life that is renewed signs again, once.
        """
        return bool(self.request.timestamp_url) and certificates.is_short_lived(self.chain[0])

    def signatures(self, reference: str) -> tuple[ListedSignature, ...]:
        """Return every signature of a digest; raise when the digest or the registry does not exist."""
        return self.notation.signatures(self.trust, reference)

    def signed(self, reference: str) -> bool:
        """Return whether this key has signed a digest, and the signature verifies; raise as `signatures` does."""
        candidates = [signature for signature in self.signatures(reference) if _is_wanted(signature, self)]
        return bool(candidates) and _find_verified(self, reference, candidates) is not None

    def sign(self, reference: str) -> None:
        """Sign a digest and push the signature; raise as `Notation.sign` does, or the plugin's own reason."""
        try:
            with self.signing:
                self.notation.sign(self.home, reference, self.request)
        except S3CError as error:
            reason = self.failure(Reference.parse(reference).digest)
            if reason is None:
                raise
            reason.image = reference
            raise reason from error


@contextmanager
def prepare(
    settings: SignSettings,
    *,
    notation: protocols.Signer,
    registry: Registry,
    temp: Path,
    now: datetime,
    progress: Progress,
) -> Iterator[SigningKey]:
    """Check key and certificate by the Notary Project's rules; nothing is pushed.

    The certificates of a plugin's key are obtained by signing something that stays on this machine.

    Args:
        settings: the key and the content of signatures.
        notation: the program.
        registry: read when a signature has to be judged separately from others.
        temp: where a folder that only this user may read is created; it is removed at the end.
        now: the time of signing.
        progress: warned when a certificate expires soon.

    Raises:
        CertificateError: the key or a certificate violates a rule; `rule` says which.
        InputError: the plugin or the time-stamp authority's certificate cannot be used.
        OutsideError: the plugin failed.
    """
    folder = Path(tempfile.mkdtemp(prefix="s3c-sign-", dir=temp))
    try:
        yield _prepare(settings, notation=notation, registry=registry, folder=folder, now=now, progress=progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(
    settings: SignSettings,
    *,
    notation: protocols.Signer,
    registry: Registry,
    folder: Path,
    now: datetime,
    progress: Progress,
) -> SigningKey:
    config, trusted = folder / "config", folder / "trust"
    config.mkdir()
    trusted.mkdir()
    stamps = _timestamp_root(settings.request)
    source, key, certificate_field = settings.key, None, "certificate"
    if isinstance(source, PluginKey):
        home = NotationHome(config, source.libexec)
        home.use_plugin(source.plugin, source.key_id, source.config)
        chain = source.chain or _chain_of_plugin(notation, home, OciLayout(folder / "rehearsal"))
        certificate_field = "key-id"
    else:
        home = NotationHome(config)
        chain, key, certificate_field = _read(source)
    certificate_rules.check(chain, now, key, certificate_field)
    if key is not None:
        home.use_files(
            write_private_file(folder / "signing.key", key_files.encode_key_pem(key)),
            write_private_file(folder / "signing.crt", certificates.encode_pem(chain)),
        )
    _warn_of_end(chain, settings, now, progress)
    trust = NotationHome(trusted)
    policy = TrustPolicy(
        identities=(certificate_identities.pinned_identity(chain, certificate_field),), stamped=bool(stamps)
    )
    anchors = certificate_chains.trust_anchor(chain)
    if certificates.is_short_lived(chain[0]) and chain[1:]:
        # The authority that issues directly differs from day to day as well.
        anchors = chain[1:]
    trust.trust(certificates.encode_pem(anchors), policy, stamps)
    return SigningKey(
        chain=chain,
        certificate=describe(chain[0], now),
        home=home,
        trust=trust,
        request=settings.request,
        notation=notation,
        registry=registry,
        folder=folder,
        failure=source.failure if isinstance(source, PluginKey) else lambda _digest: None,
    )


def _warn_of_end(
    chain: tuple[x509.Certificate, ...], settings: SignSettings, now: datetime, progress: Progress
) -> None:
    """Warn of certificates that expire soon; of a short-lived one, only when nothing outlives it."""
    for certificate in chain:
        days = certificates.days_left(certificate, now)
        if days >= settings.warning_days:
            continue
        end = f"The certificate {certificates.subject(certificate)} expires in {days} days" + (
            f" ({format_moment(certificate.not_valid_after_utc)})"
        )
        if not certificates.is_short_lived(certificate):
            progress.warning(f"{end}: renew it.")
        elif not settings.request.timestamp_url:
            progress.warning(f"{end}, and its signatures with it: have them time-stamped, with `timestamp-url`.")


def _read(source: KeyFiles | Pkcs12) -> tuple[tuple[x509.Certificate, ...], PrivateKeyTypes, str]:
    """Return chain, key, and the input that the chain came from."""
    if isinstance(source, Pkcs12):
        key, chain = key_files.read_pkcs12(source.content, source.password)
        return chain, key, "pkcs12"
    key = key_files.read_key(source.key, source.password, source.key_field)
    return (
        key_files.read_signing_chain(source.certificates, key, source.certificate_field),
        key,
        source.certificate_field,
    )


def _timestamp_root(request: SigningRequest) -> bytes:
    if request.timestamp_root is None:
        return b""
    try:
        content = reading.read_file(request.timestamp_root)
    except OSError as error:
        raise InputError(
            "timestamp-root-cert", f"{request.timestamp_root} cannot be read: {error.strerror}."
        ) from error
    roots = key_files.read_timestamp_roots(content, "timestamp-root-cert")
    if len(roots) != 1:
        raise InputError(
            "timestamp-root-cert",
            f"it holds {len(roots)} certificates.",
            remedy="Give the root certificate of the one authority that `timestamp-url` names.",
        )
    return certificates.encode_pem(roots)


def _chain_of_plugin(notation: protocols.Signer, home: NotationHome, layout: OciLayout) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a plugin's key, from a signature of an empty image that stays in `layout`."""
    notation.rehearse(home, layout.folder, _add_empty(layout), SigningRequest(signature_format="jws"))
    for blob in layout.blobs():
        try:
            chain = reading.parse_json(blob)["header"]["x5c"]
            return key_files.read_chain(
                b"".join(_pem_block(base64.b64decode(certificate, validate=True)) for certificate in chain), "key-id"
            )
        except (ValueError, KeyError, TypeError):
            continue
    raise OutsideError(
        "The plugin's signature holds no certificates.", remedy="Look at the plugin: it is out of order."
    )


def _pem_block(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def _add_empty(layout: OciLayout) -> str:
    """Add an artifact without content; return its digest."""
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", **layout.add(b"{}")}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.s3c.rehearsal",
        "config": empty,
        "layers": [empty],
    }
    return layout.add_manifest(json.dumps(document).encode())


def describe(certificate: x509.Certificate, now: datetime) -> CertificateFacts:
    """Return the facts of a signing certificate."""
    return CertificateFacts(
        subject=certificates.subject(certificate),
        issuer=certificate.issuer.rfc4514_string(),
        thumbprint=certificates.thumbprint(certificate),
        not_before=format_moment(certificate.not_valid_before_utc),
        not_after=format_moment(certificate.not_valid_after_utc),
        days_left=certificates.days_left(certificate, now),
        key=certificate_rules.key_spec(certificate),
        self_signed=certificates.is_self_signed(certificate),
    )


def run(
    signer: SigningKey, reference: str, progress: Progress, before: tuple[ListedSignature, ...] | None = None
) -> SignResult:
    """Sign one digest, unless a valid signature by the same signer exists, and verify it.

    The same signer is the same certificate; of short-lived ones, the same subject below the same authority.

    Args:
        signer: as `prepare` returned it.
        reference: `registry/repository@digest`.
        progress: receives the signature's digest.
        before: the existing signatures, when they have just been looked up.

    Raises:
        OutsideError: the registry, the plugin or the time-stamp authority failed.
        Refused: it was signed, but the signature does not verify.
    """
    started = time.monotonic()
    before = signer.signatures(reference) if before is None else before
    candidates = [signature for signature in before if _is_wanted(signature, signer)]
    verified = _find_verified(signer, reference, candidates) if candidates else None
    skipped = verified is not None
    if verified is None:
        unlisted = None
        try:
            signer.sign(reference)
        except UnlistedSignature as error:
            unlisted = error  # where the Referrers API lists it, nothing is missing
        known = {signature.digest for signature in before}
        new_signatures = [
            signature
            for signature in signer.signatures(reference)
            if signature.digest not in known and _is_wanted(signature, signer)
        ]
        if not new_signatures:
            raise unlisted or OutsideError(
                "The signature was pushed, but the registry does not list it.",
                cause="The registry lost it, or another signer wrote the referrers tag at the same moment.",
                remedy="Run it again; with a registry that has the Referrers API, set `force-referrers-tag: false`.",
                image=reference,
            )
        verified = _find_verified(signer, reference, new_signatures)
        if verified is None:
            raise Refused(
                "It was signed, but the signature does not verify.",
                cause="The signature was changed in the registry, or the certificate is revoked.",
                remedy="Look at it with `notation inspect`, and at who may push to the repository.",
                image=reference,
            )
    progress.note(f"{reference}: signature {verified.digest}")
    return SignResult(
        reference=reference,
        signature_digest=verified.digest,
        certificate=signer.certificate,
        signature_format=verified.signature_format,
        skipped=skipped,
        verified=True,
        timestamped=verified.timestamped,
        expires=verified.expires,
        metadata=verified.metadata,
        seconds=time.monotonic() - started,
    )


def _is_wanted(signature: ListedSignature, signer: SigningKey) -> bool:
    """Return whether a signature may be this signer's and contains everything requested; whose it is, is verified."""
    return (
        (signature.thumbprint == signer.certificate.thumbprint or signer.renews_daily)
        and (signature.timestamped or not signer.request.timestamp_url)
        and all(signature.metadata.get(key) == value for key, value in signer.request.metadata.items())
    )


def _find_verified(signer: SigningKey, reference: str, candidates: list[ListedSignature]) -> ListedSignature | None:
    """Return the candidate that verifies by the pinned policy, None when none does."""
    try:
        accepted = signer.notation.verify(signer.trust, reference, signer.request.metadata).signature_digest
    except Refused:
        return None
    match = next((signature for signature in candidates if signature.digest == accepted), None)
    if match is not None:
        return match
    # Notation stops at the first signature it accepts. That was one by the same subject under the same authority, as
    # after a certificate's renewal: each candidate is verified separately from it.
    return next(
        (signature for signature in candidates if _verifies_alone(signer, Reference.parse(reference), signature)), None
    )


def _verifies_alone(signer: SigningKey, reference: Reference, signature: ListedSignature) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="layout-", dir=signer.folder))
    layout = OciLayout(folder / "image")
    image = signer.registry.manifest(reference)
    digest = layout.add_manifest(image.content, image.descriptor.media_type)
    manifest = signer.registry.manifest(reference.at(signature.digest))
    for content in (manifest.document["config"], *manifest.document["layers"]):
        layout.add(signer.registry.blob(reference, content["digest"]))
    layout.add_manifest(manifest.content)
    try:
        signer.notation.verify_layout(signer.trust, layout.folder, digest, reference.name)
    except Refused:
        return False
    return True
