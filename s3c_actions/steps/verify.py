"""Verify digests by a trust store and a trust policy, given by the user or generated."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.programs.notation.home import NotationHome, TrustPolicy
from s3c_actions.result.model import VerifyResult
from s3c_actions.signing import certificate_identities, certificates, identities, key_files, timestamps

if TYPE_CHECKING:
    from cryptography import x509

    from s3c_actions.core.progress import Progress
    from s3c_actions.steps.protocols import Verifier

_KINDS = ("ca", "signingAuthority", "tsa")
# Folders of certificates contain other files as well (README, .gitignore).
_CERTIFICATE_SUFFIXES = (".crt", ".cer", ".pem", ".der")


class VerifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to trust.

    Attributes:
        stores: certificate files, folders of them, or (with a policy) the folder that holds `x509/TYPE/NAME/`.
        policy: notation's trust policy document; None: generated from the fields below.
        identities: subjects (RFC 4514) of the trusted signers; none: any below the trust store.
        timestamp_roots: root certificates of time-stamp authorities.
        timestamp_check: when a signature needs a time-stamp of theirs.
        metadata: required in a signature.
    """

    stores: tuple[Path, ...]
    policy: Mapping[str, Any] | None = None
    level: str = "strict"
    identities: tuple[str, ...] = ()
    timestamp_roots: tuple[Path, ...] = ()
    timestamp_check: str = timestamps.ALWAYS
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


@contextmanager
def prepare(settings: VerifySettings, temp: Path, progress: Progress) -> Iterator[NotationHome]:
    """Create notation's configuration of what is trusted; the folder is removed at the end.

    Raises:
        InputError: a file does not exist or holds no certificate, or the policy demands no verification.
    """
    folder = Path(tempfile.mkdtemp(prefix="s3c-verify-", dir=temp))
    try:
        home = NotationHome(folder)
        if settings.policy is None:
            _configure_generated(settings, home, progress)
        else:
            _configure_given(settings, settings.policy, home)
        yield home
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure_generated(settings: VerifySettings, home: NotationHome, progress: Progress) -> None:
    anchors = trusted_certificates(settings.stores)
    stamps = timestamp_authorities(settings.timestamp_roots)
    listed = trusted_identities(settings.identities)
    issuing = unrestricted_authorities(anchors, listed)
    if issuing and not settings.identities:
        progress.notice(
            f"No `trusted-identity` is given, so everyone is trusted whom {issuing[0]} certified: name the signer."
        )
    policy = TrustPolicy(
        identities=listed or (identities.ANYONE,),
        level=settings.level,
        stamped=bool(stamps),
        timestamp_check=settings.timestamp_check,
    )
    home.trust(anchors, policy, stamps)


def trusted_certificates(stores: tuple[Path, ...]) -> bytes:
    """Return the certificates of files and folders, as PEM, concatenated.

    Raises:
        InputError: a file cannot be read or holds no certificate (field `trust-store`).
    """
    return b"".join(_certificates(path, "trust-store") for path in stores)


def timestamp_authorities(paths: tuple[Path, ...]) -> bytes:
    """Return the root certificates of time-stamp authorities, as PEM, concatenated; empty for no paths.

    Raises:
        InputError: a file cannot be read, or holds something else (field `trusted-timestamp-root`).
    """
    pem = b"".join(_certificates(path, "trusted-timestamp-root") for path in paths)
    return certificates.encode_pem(key_files.read_timestamp_roots(pem, "trusted-timestamp-root")) if pem else b""


def trusted_identities(subjects: tuple[str, ...]) -> tuple[str, ...]:
    """Return subjects in the form of the Notary Project's trust policies; none for `*`, which means anyone.

    Raises:
        InputError: notation would reject them (field `trusted-identity`).
    """
    listed = identities.identity_entries(subjects, "trusted-identity")
    return () if listed == (identities.ANYONE,) else listed


def unrestricted_authorities(store: bytes, listed: Sequence[str]) -> tuple[str, ...]:
    """Return the authorities in a trust store below which a policy with these identities would trust everyone.

    Args:
        store: certificates in PEM, concatenated.
        listed: entries as `trusted_identities` returns them.

    Returns:
        Their subjects; none when there are identities, or when every certificate vouches for itself alone.

    Raises:
        InputError: several identities are listed for several authorities: each would count below each of them.
    """
    chain = tuple(dict.fromkeys(key_files.read_chain(store, "trust-store")))
    authorities = [certificate for certificate in chain if not certificates.is_own_anchor(certificate)]
    if not listed:
        return tuple(certificates.subject(certificate) for certificate in authorities)
    unrelated = [
        certificate
        for certificate in chain
        if not any(candidate.subject == certificate.issuer for candidate in chain if candidate != certificate)
    ]
    if authorities and len(unrelated) > 1 and len(listed) > 1:
        raise InputError(
            "trusted-identity",
            f"several are given, and the trust store holds several authorities ({certificates.subject(unrelated[0])}, "
            f"{certificates.subject(unrelated[1])}).",
            cause="Each of them could issue a certificate for each of these subjects, and it would be trusted.",
            remedy="Name each authority with its own identities: as `signers` of a policy "
            f"({doc_link('policy.md')}), or in separate runs.",
        )
    return ()


def _configure_given(settings: VerifySettings, policy: Mapping[str, Any], home: NotationHome) -> None:
    statements = policy.get("trustPolicies")
    if not isinstance(statements, list) or not all(isinstance(statement, dict) for statement in statements):
        raise InputError(
            "trust-policy",
            "it is no trust policy: `trustPolicies` is missing or no list.",
            remedy="Write it as https://notaryproject.dev/docs/user-guides/how-to/manage-trust-policy/ shows.",
        )
    stored = _read_trust_store(settings.stores)
    if not stored:
        raise InputError(
            "trust-store",
            f"there is no certificate below x509/ca, x509/signingAuthority or x509/tsa in "
            f"{', '.join(str(store) for store in settings.stores)}.",
            cause="With `trust-policy`, certificates lie in `x509/TYPE/NAME/`, as its `trustStores` name them.",
            remedy="Lay the folder out so, or leave `trust-policy` out and give the certificates alone.",
        )
    home.copy_trust_store(stored)
    home.write_policy(policy)


def _read_trust_store(stores: tuple[Path, ...]) -> list[tuple[str, str, bytes]]:
    """Return kind, name and content of each certificate file in folders laid out as notation's trust store."""
    files = []
    for store in stores:
        root = next((path for path in (store / "x509", store / "truststore" / "x509") if path.is_dir()), store)
        for kind in _KINDS:
            for folder in sorted(path for path in (root / kind).glob("*") if path.is_dir()):
                files += [(kind, folder.name, _read(file, "trust-store")) for file in _files(folder)]
    return files


def chains_to_store(settings: VerifySettings, chain: tuple[x509.Certificate, ...]) -> bool:
    """Return whether one of a signer's certificates, leaf first, is in the trust store, which defines authenticity.

    Raises:
        InputError: a file does not exist or holds no certificate.
    """
    if settings.policy is None:
        stored = [_certificates(path, "trust-store") for path in settings.stores]
    else:
        stored = [content for kind, _, content in _read_trust_store(settings.stores) if kind != "tsa"]
    trusted = [certificate for content in stored for certificate in key_files.read_chain(content, "trust-store")]
    return any(certificate in trusted for certificate in chain)


def matches_identities(settings: VerifySettings, leaf: x509.Certificate) -> bool:
    """Return whether a signing certificate has one of the trusted identities; True when a policy document has them.

    Raises:
        InputError: notation would reject an identity.
    """
    listed = trusted_identities(settings.identities)
    return not listed or identities.covers_identity(listed, certificate_identities.trusted_identity(leaf))


def _certificates(path: Path, field: str) -> bytes:
    """Return the certificates of a file or of a folder's files, as PEM."""
    files = _files(path) if path.is_dir() else [path]
    pem = b"".join(certificates.encode_pem(_chain(file, field)) for file in files)
    if not pem:
        raise InputError(
            field,
            f"{path} holds no certificate files ({', '.join(_CERTIFICATE_SUFFIXES)}).",
            remedy="Name a certificate, or the folder that has them.",
        )
    return pem


def _chain(file: Path, field: str) -> tuple[x509.Certificate, ...]:

    content = _read(file, field)
    try:
        return key_files.read_chain(content, field)
    except InputError as error:
        error.what = error.what.replace(f"{field}: it ", f"{field}: {file} ", 1)
        error.remedy = "Give certificates in PEM or DER."
        raise


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _CERTIFICATE_SUFFIXES and file.is_file())


def _read(path: Path, field: str) -> bytes:
    try:
        return reading.read_file(path)
    except OSError as error:
        raise InputError(field, f"{path} cannot be read: {error.strerror}.", remedy="Look at the path.") from error


def run(
    settings: VerifySettings, notation: Verifier, home: NotationHome, reference: str, progress: Progress
) -> VerifyResult:
    """Verify one digest.

    Args:
        settings: as given to `prepare`.
        notation: the program.
        home: as `prepare` returned it.
        reference: `registry/repository@digest`.
        progress: receives what the policy lets pass.

    Raises:
        Refused: no signature is accepted; the message says why.
        InputError: the trust policy or the trust store cannot be used.
        OutsideError: the registry failed.
    """
    started = time.monotonic()
    verified = notation.verify(home, reference, settings.metadata)
    for warning in verified.warnings:
        progress.warning(f"{reference}: {warning}")
    signature = next(
        (
            candidate
            for candidate in notation.signatures(home, reference)
            if candidate.digest == verified.signature_digest
        ),
        None,
    )
    if signature is None:
        raise OutsideError(
            "The signature that was verified is no longer in the registry.",
            cause="It was removed at this moment.",
            remedy="Run it again.",
            image=reference,
        )
    return VerifyResult(
        reference=reference,
        policy=verified.policy,
        signature_digest=signature.digest,
        signer=signature.signer,
        metadata=signature.metadata,
        seconds=time.monotonic() - started,
    )
