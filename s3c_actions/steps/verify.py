"""Verify digests by a trust store and a trust policy, given or made."""

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
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.programs.notation.home import Home, TrustPolicy
from s3c_actions.result.model import VerifyResult
from s3c_actions.signing import identities

if TYPE_CHECKING:
    from cryptography import x509

    from s3c_actions.core.progress import Progress
    from s3c_actions.steps.protocols import Verifier

_KINDS = ("ca", "signingAuthority", "tsa")
# Folders of certificates hold other files as well (README, .gitignore).
_CERTIFICATE_SUFFIXES = (".crt", ".cer", ".pem", ".der")


class VerifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to trust.

    Attributes:
        stores: certificate files, folders of them, or (with a policy) the folder that holds `x509/TYPE/NAME/`.
        policy: notation's trust policy document; None: one is made of `level`, `identities` and `timestamp_roots`.
        identities: subjects (RFC 4514) of the signers to trust; none: any that the trust store leads to.
        timestamp_roots: root certificates of time-stamp authorities.
        metadata: what a signature has to hold.
    """

    stores: tuple[Path, ...]
    policy: Mapping[str, Any] | None = None
    level: str = "strict"
    identities: tuple[str, ...] = ()
    timestamp_roots: tuple[Path, ...] = ()
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


@contextmanager
def prepare(settings: VerifySettings, temp: Path, progress: Progress) -> Iterator[Home]:
    """Make notation's configuration of what is trusted; the folder is removed in the end.

    Raises:
        InputError: a file is not there or holds no certificate, or the policy asks for no verification.
    """
    folder = Path(tempfile.mkdtemp(prefix="s3c-verify-", dir=temp))
    try:
        home = Home(folder)
        if settings.policy is None:
            _made(settings, home, progress)
        else:
            _given(settings, settings.policy, home)
        yield home
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(settings: VerifySettings, home: Home, progress: Progress) -> None:
    anchors = trusted_certificates(settings.stores)
    stamps = b"".join(_certificates(path, "trusted-timestamp-root") for path in settings.timestamp_roots)
    listed = trusted_identities(settings.identities)
    issuing = unrestricted(anchors, listed)
    if issuing and not settings.identities:
        progress.notice(
            f"No trusted-identity is given, so everyone is trusted whom {issuing[0]} certified: name the signer."
        )
    policy = TrustPolicy(identities=listed or (identities.ANYONE,), level=settings.level, timestamps=bool(stamps))
    home.trust(anchors, policy, stamps)


def trusted_certificates(stores: tuple[Path, ...]) -> bytes:
    """The certificates of files and folders, as PEM, one after another.

    Raises:
        InputError: a file cannot be read or holds no certificate (field `trust-store`).
    """
    return b"".join(_certificates(path, "trust-store") for path in stores)


def trusted_identities(subjects: tuple[str, ...]) -> tuple[str, ...]:
    """Subjects as the Notary Project's trust policies have them; none for `*`, which means anyone.

    Raises:
        InputError: notation would not take them (field `trusted-identity`).
    """
    listed = identities.entries(subjects, "trusted-identity")
    return () if listed == (identities.ANYONE,) else listed


def unrestricted(store: bytes, listed: Sequence[str]) -> tuple[str, ...]:
    """Subjects of the authorities in a trust store below which a policy with these identities would trust everyone.

    Args:
        store: certificates in PEM, one after another.
        listed: entries as `trusted_identities` gives them.

    Returns:
        Nothing when there are identities, or when every certificate vouches for itself alone.

    Raises:
        InputError: several identities are listed for several authorities: each would count below each of them.
    """
    from s3c_actions.signing import certificates

    found = tuple(dict.fromkeys(certificates.read_chain(store, "trust-store")))
    issuing = [one for one in found if not certificates.vouches_for_itself(one)]
    if not listed:
        return tuple(certificates.subject(one) for one in issuing)
    apart = [one for one in found if not any(other.subject == one.issuer for other in found if other != one)]
    if issuing and len(apart) > 1 and len(listed) > 1:
        raise InputError(
            "trusted-identity",
            f"several are given, and the trust store holds several authorities ({certificates.subject(apart[0])}, "
            f"{certificates.subject(apart[1])}).",
            cause="Each of them could issue a certificate for each of these subjects, and it would be trusted.",
            remedy="Name each authority with its own identities: as `signers` of a policy (docs/policy.md), or in "
            "separate runs.",
        )
    return ()


def _given(settings: VerifySettings, policy: Mapping[str, Any], home: Home) -> None:
    statements = policy.get("trustPolicies")
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise InputError(
            "trust-policy",
            "it is no trust policy: `trustPolicies` is missing or no list.",
            remedy="Write it as https://notaryproject.dev/docs/user-guides/how-to/manage-trust-policy/ shows.",
        )
    found = _laid_out(settings.stores)
    if not found:
        raise InputError(
            "trust-store",
            f"there is no certificate below x509/ca, x509/signingAuthority or x509/tsa in "
            f"{', '.join(str(store) for store in settings.stores)}.",
            cause="With `trust-policy`, certificates lie in `x509/TYPE/NAME/`, as its `trustStores` name them.",
            remedy="Lay the folder out so, or leave `trust-policy` out and give the certificates alone.",
        )
    home.copy_trust_store(found)
    home.write_policy(policy)


def _laid_out(stores: tuple[Path, ...]) -> list[tuple[str, str, bytes]]:
    """Kind, name and content of each certificate file in folders laid out as notation's trust store."""
    found = []
    for store in stores:
        root = next((one for one in (store / "x509", store / "truststore" / "x509") if one.is_dir()), store)
        for kind in _KINDS:
            for folder in sorted(path for path in (root / kind).glob("*") if path.is_dir()):
                found += [(kind, folder.name, _read(file, "trust-store")) for file in _files(folder)]
    return found


def leads_to(settings: VerifySettings, chain: tuple[x509.Certificate, ...]) -> bool:
    """Whether a signer's certificates, leaf first, have one of the trust store among them: what authenticity is.

    Raises:
        InputError: a file is not there or holds no certificate.
    """
    from s3c_actions.signing import certificates

    if settings.policy is None:
        stored = [_certificates(path, "trust-store") for path in settings.stores]
    else:
        stored = [content for kind, _, content in _laid_out(settings.stores) if kind != "tsa"]
    trusted = [one for content in stored for one in certificates.read_chain(content, "trust-store")]
    return any(one in trusted for one in chain)


def names(settings: VerifySettings, leaf: x509.Certificate) -> bool:
    """Whether a signing certificate has one of the trusted identities, as far as these are no document of the user's.

    Raises:
        InputError: notation would not take an identity.
    """
    from s3c_actions.signing import certificates

    listed = trusted_identities(settings.identities)
    return not listed or identities.covers(listed, certificates.trusted_identity(leaf))


def _certificates(path: Path, field: str) -> bytes:
    """The certificates of a file or of a folder's files, as PEM."""
    from s3c_actions.signing import certificates

    files = _files(path) if path.is_dir() else [path]
    found = b"".join(certificates.pem(_chain(file, field)) for file in files)
    if not found:
        raise InputError(
            field,
            f"{path} holds no certificate files ({', '.join(_CERTIFICATE_SUFFIXES)}).",
            remedy="Name a certificate, or the folder that has them.",
        )
    return found


def _chain(file: Path, field: str) -> tuple[x509.Certificate, ...]:
    from s3c_actions.signing import certificates

    content = _read(file, field)
    try:
        return certificates.read_chain(content, field)
    except InputError as error:
        error.what = error.what.replace(f"{field}: it ", f"{field}: {file} ", 1)
        error.remedy = "Give certificates in PEM or DER."
        raise


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in _CERTIFICATE_SUFFIXES and one.is_file())


def _read(path: Path, field: str) -> bytes:
    try:
        return reading.content(path)
    except OSError as error:
        raise InputError(field, f"{path} cannot be read: {error.strerror}.", remedy="Look at the path.") from error


def run(settings: VerifySettings, notation: Verifier, home: Home, reference: str, progress: Progress) -> VerifyResult:
    """Verify one digest.

    Args:
        settings: as given to `prepare`.
        notation: the program.
        home: as `prepare` made it.
        reference: `registry/repository@digest`.
        progress: told of what the policy lets pass.

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
        (one for one in notation.signatures(home, reference) if one.digest == verified.signature_digest), None
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
