"""Notation's configuration folder, made for one run: key, trust store and trust policy, separate from the user's own.

https://notaryproject.dev/docs/user-guides/how-to/directory-structure/
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from s3c_actions.signing import timestamps

KEY_NAME = "s3c"
STORE_NAME = "s3c"
POLICY_NAME = "s3c"


class TrustPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The requirements of a generated trust policy.

    Attributes:
        identities: `x509.subject: …` entries, or `*` for any signer that the trust store leads to.
        level: `strict`, `permissive` or `audit`.
        stamped: whether there are trusted time-stamp authorities.
        timestamp_check: when a signature needs a time-stamp of theirs: one of `signing.timestamps.CHECKS`.
    """

    identities: tuple[str, ...]
    level: str = "strict"
    stamped: bool = False
    timestamp_check: str = timestamps.ALWAYS

    def document(self) -> dict[str, object]:
        """The policy as notation's trustpolicy.json, for every repository."""
        stores = [f"ca:{STORE_NAME}"] + ([f"tsa:{STORE_NAME}"] if self.stamped else [])
        return {
            "version": "1.0",
            "trustPolicies": [
                {
                    "name": POLICY_NAME,
                    "registryScopes": ["*"],
                    "signatureVerification": timestamps.signature_verification(
                        self.level, self.timestamp_check, stamped=self.stamped
                    ),
                    "trustStores": stores,
                    "trustedIdentities": list(self.identities),
                }
            ],
        }


class NotationHome(msgspec.Struct, frozen=True):
    """A configuration folder below a temporary one; only this user may read it.

    Attributes:
        folder: `$NOTATION_CONFIG`.
        libexec: `$NOTATION_LIBEXEC`, the folder of plugins; `folder` when None.
    """

    folder: Path
    libexec: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment with which notation reads and writes here alone."""
        return {
            "NOTATION_CONFIG": str(self.folder),
            "NOTATION_LIBEXEC": str(self.libexec or self.folder),
            "NOTATION_CACHE": str(self.folder / "cache"),
        }

    def use_files(self, key: Path, certificates: Path) -> None:
        """Sign with a private key and its chain, both PEM files."""
        self._write_signing_key({"keyPath": str(key.absolute()), "certPath": str(certificates.absolute())})

    def use_plugin(self, plugin: str, key_id: str, config: Mapping[str, str]) -> None:
        """Sign with a plugin; its configuration is in the file, where no process list shows it."""
        self._write_signing_key({"id": key_id, "pluginName": plugin, "pluginConfig": dict(config)})

    def trust(self, certificates: bytes, policy: TrustPolicy, timestamp_authorities: bytes = b"") -> None:
        """Trust these certificates (PEM) by a generated policy.

        Args:
            certificates: authorities, or self-signed signing certificates.
            policy: its requirements.
            timestamp_authorities: root certificates of time-stamp authorities, PEM.
        """
        for kind, pem in (("ca", certificates), ("tsa", timestamp_authorities)):
            if pem:
                store = self.folder / "truststore" / "x509" / kind / STORE_NAME
                store.mkdir(parents=True, exist_ok=True)
                (store / "certificates.pem").write_bytes(pem)
        self.write_policy(policy.document())

    def write_policy(self, document: Mapping[str, object]) -> None:
        """Use this trust policy document."""
        write_private_file(self.folder / "trustpolicy.json", json.dumps(document, indent=2).encode())

    def copy_trust_store(self, stores: Sequence[tuple[str, str, bytes]]) -> None:
        """Fill the trust store with (kind, store name, PEM or DER) entries."""
        for number, (kind, name, content) in enumerate(stores):
            store = self.folder / "truststore" / "x509" / kind / name
            store.mkdir(parents=True, exist_ok=True)
            (store / f"{number}.crt").write_bytes(content)

    def _write_signing_key(self, entry: Mapping[str, object]) -> None:
        keys = {"default": KEY_NAME, "keys": [{"name": KEY_NAME, **entry}]}
        write_private_file(self.folder / "signingkeys.json", json.dumps(keys).encode())


def write_private_file(path: Path, content: bytes) -> Path:
    """Write a file that only its owner may read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
    return path
