"""A certificate of Azure Key Vault, and signatures by its key, which stays there.

https://learn.microsoft.com/azure/key-vault/certificates/about-certificates
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.azure import vault_errors
from s3c_actions.azure.libraries import (
    azure_exceptions,
    azure_policies,
    azure_rest,
    vault_certificates,
    vault_crypto,
    vault_keys,
)
from s3c_actions.azure.login_errors import describe_skew
from s3c_actions.azure.transport import create_transport
from s3c_actions.azure.vault_errors import VaultContext
from s3c_actions.core import startup
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.signing import certificate_chains, certificates, key_files
from s3c_actions.signing.libraries import ec, rsa, x509

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpTransport
    from azure.keyvault.certificates import CertificateClient, KeyVaultCertificate
    from azure.keyvault.keys.crypto import CryptographyClient

    from s3c_actions.azure.identity import Identity
    from s3c_actions.azure.retries import Retries
    from s3c_actions.core.progress import Progress

_PEM, _PKCS12 = "application/x-pem-file", "application/x-pkcs12"


class VaultCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of a vault.

    Attributes:
        vault: host.
        version: the one read, also when none was given.
        key_id: address of its key, with the version.
        chain: leaf first, as far as its issuers are known.
    """

    vault: str
    name: str
    version: str
    key_id: str
    chain: tuple[x509.Certificate, ...]


def vault_host(name: str, suffix: str) -> str:
    """The host of a vault: its name with the cloud's suffix, or a given name with a dot, unchanged."""
    return name if "." in name else f"{name}.{suffix}"


class Vault:
    """One vault.

    Args:
        where: its host.
        identity: logs in.
        progress: shows waiting, and a clock that is off.
        now: this machine's time, compared with the vault's.

    Attributes:
        requests: how many were answered.
        clock: a sentence on this machine's clock, when the vault's answers showed that it is off; else empty.
    """

    def __init__(
        self,
        host: str,
        identity: Identity,
        progress: Progress,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.host = host
        self.requests = 0
        self.clock = ""
        self._identity, self._now, self._progress = identity, now, progress
        self._clients: dict[str, CryptographyClient] = {}
        self._shared: HttpTransport[Any, Any] | None = None
        self._retries: Retries | None = None

    def certificate(
        self,
        name: str,
        version: str = "",
        issuers: Sequence[x509.Certificate] | None = None,
        *,
        disabled: bool = False,
    ) -> VaultCertificate:
        """Read a certificate, and its issuers when another authority than itself issued it.

        Args:
            name: of the certificate.
            version: empty for the newest.
            issuers: the certificates of its issuers; None: they are read from the vault's secret.
            disabled: read it also when it is disabled.

        Raises:
            InputError: there is no such certificate, it is disabled or deleted, or its issuers are not available.
            OutsideError: the vault does not let this identity or machine in, or could not be reached.
        """
        context = self._context(name)
        client = self._certificate_client()
        with vault_errors.translate_errors(context, self._policy()):
            certificate = self._get_certificate(client, name, version, context)
        leaf = x509.load_der_x509_certificate(bytes(certificate.cer or b""))
        properties = certificate.properties
        if properties is None or (properties.enabled is False and not disabled):
            raise InputError(
                "vault-certificate",
                f"{name} is disabled in the vault {context.name}.",
                cause="Somebody switched it off, perhaps because it is not to be used any more.",
                remedy="Enable it, or name another one: az keyvault certificate set-attributes "
                f"--vault-name {context.name} --name {name} --enabled true",
            )
        if not certificate.key_id:
            raise OutsideError(f"The vault {context.name} names no key of the certificate {name}.")
        source = "vault-certificate" if issuers is None else "vault-ca-certs"
        if issuers is None and not certificates.is_self_signed(leaf):
            issuers = self._issuers(client, certificate, context)
        with certificates.reject_unreadable(source):
            chain = certificate_chains.order_chain(leaf, list(issuers or ()))
        return VaultCertificate(
            vault=self.host,
            name=name,
            version=str(properties.version),
            key_id=certificate.key_id,
            chain=chain,
        )

    def sign(self, certificate: VaultCertificate, algorithm: str, digest: bytes) -> bytes:
        """Have the vault sign a digest with a certificate's key.

        Args:
            certificate: as read from this vault.
            algorithm: by RFC 7518: `PS256` … `ES512`.
            digest: of what is signed.

        Returns:
            The signature: of an RSA key unchanged, of an EC key r and s concatenated.

        Raises:
            InputError: the key is disabled, expired or not yet valid.
            OutsideError: the vault does not let this identity or machine in, or could not be reached.
        """
        client = self._clients.get(certificate.key_id)
        if client is None:
            client = self._clients[certificate.key_id] = self._crypto_client(certificate)
        with vault_errors.translate_errors(self._context(certificate.name), self._policy()):
            signed = client.sign(
                vault_crypto.SignatureAlgorithm(algorithm), digest, raw_response_hook=self._record_response
            )
        return signed.signature

    def warm_up(self) -> None:
        """Import the modules of `sign` in the background."""
        startup.warm("azure.keyvault.keys.crypto")

    @property
    def name(self) -> str:
        """The vault's name, without its domain."""
        return self.host.partition(".")[0]

    def _context(self, name: str) -> VaultContext:
        return VaultContext(vault=self.host, certificate=name, client=self._identity.client)

    def _get_certificate(
        self, client: CertificateClient, name: str, version: str, context: VaultContext
    ) -> KeyVaultCertificate:
        hook = {"raw_response_hook": self._record_response}
        try:
            if version:
                return client.get_certificate_version(name, version, **hook)
            return client.get_certificate(name, **hook)
        except azure_exceptions.ResourceNotFoundError:
            # Worth a second request: the remedy differs when it was deleted, or has other versions.
            try:
                if version:
                    client.get_certificate(name, **hook)
                    raise vault_errors.missing_version_error(context, version) from None
                client.get_deleted_certificate(name, **hook)
            except azure_exceptions.HttpResponseError:
                pass
            else:
                raise vault_errors.deleted_error(context) from None
            raise

    def _issuers(
        self, client: CertificateClient, certificate: KeyVaultCertificate, context: VaultContext
    ) -> tuple[x509.Certificate, ...]:
        """The certificates of the secret that belongs to a certificate whose key cannot be exported.

        The secret of an exportable one holds the private key, which must not leave the vault. The secret has the
        certificates in the order in which they were imported, with the certificate itself in any place.
        """
        give = "Give the issuers' certificates, the root last, with `vault-ca-certs`."
        if certificate.policy is None or certificate.policy.exportable is not False or not certificate.secret_id:
            raise InputError(
                "vault-ca-certs",
                f"it is missing, and {context.certificate} was issued by an authority.",
                cause="Its key is exportable: the vault's secret has the issuers, but the private key as well.",
                remedy=give,
            )

        with vault_errors.translate_errors(context, self._policy()):
            answer = client.send_request(
                azure_rest.HttpRequest("GET", certificate.secret_id), raw_response_hook=self._record_response
            )
            answer.raise_for_status()
        try:
            document = answer.json()
            content_type, value = str(document.get("contentType")), str(document.get("value"))
        except (ValueError, AttributeError) as error:
            raise OutsideError(
                f"The answer about the secret of {context.certificate} is not one of Azure Key Vault's.",
                cause="A proxy answered in its place.",
                remedy="Look at what stands between this machine and the vault, or give `vault-ca-certs`.",
                original=type(error).__name__,
            ) from None
        if content_type == _PEM:
            return key_files.read_chain(value.encode(), "vault-certificate")
        try:
            if content_type == _PKCS12:
                return key_files.read_pkcs12_certificates(base64.b64decode(value))
        except ValueError:
            content_type += ", and cannot be read"
        raise InputError(
            "vault-ca-certs",
            f"it is missing, and the secret of {context.certificate} does not give the issuers.",
            cause=f"Its content type is {content_type[:100]}.",
            remedy=give,
        )

    def _certificate_client(self) -> vault_certificates.CertificateClient:
        return vault_certificates.CertificateClient(
            f"https://{self.host}", self._identity.credential, transport=self._transport(), retry_policy=self._policy()
        )

    def _policy(self) -> Retries:
        """The retry policy of all clients, which knows how often the last request was sent."""
        from s3c_actions.azure.retries import Retries

        if self._retries is None:
            self._retries = Retries(announce=self._announce_wait)
        return self._retries

    def _announce_wait(self, seconds: float, status: int) -> None:
        reason = f"is busy (HTTP {status})" if status else "did not answer"
        self._progress.note(f"{self.host} {reason}: trying again in {seconds:.0f} s")

    def _transport(self) -> HttpTransport[Any, Any]:
        """The transport of all clients: they use one host, over one connection."""
        if self._shared is None:
            self._shared = create_transport()
        return self._shared

    def _crypto_client(self, certificate: VaultCertificate) -> vault_crypto.CryptographyClient:
        # The vault sent its login challenge with the certificate. The client's own policies would request it once
        # more, without a token, which costs a request for every first signature.
        client_policies: list[Any] = [
            azure_policies.RequestIdPolicy(),
            azure_policies.HeadersPolicy(),
            azure_policies.UserAgentPolicy(base_user_agent="s3c"),
            azure_policies.ProxyPolicy(),
            azure_policies.ContentDecodePolicy(),
            self._policy(),
            azure_policies.BearerTokenCredentialPolicy(
                self._identity.credential, f"https://{self._identity.cloud.vaults}/.default", enable_cae=True
            ),
            azure_policies.CustomHookPolicy(),
        ]
        return vault_crypto.CryptographyClient(
            _public_key(certificate), self._identity.credential, policies=client_policies, transport=self._transport()
        )

    def _record_response(self, response: Any) -> None:
        """Record an answer of the vault; called with each."""
        self.requests += 1
        reply = response.http_response
        try:
            vault_time = parsedate_to_datetime(reply.headers["Date"])
            skew = describe_skew(vault_time, self._now())
        except (KeyError, ValueError, TypeError):
            return
        if skew and not self.clock:
            self.clock = skew
            self._progress.warning(skew)


def _public_key(certificate: VaultCertificate) -> vault_keys.KeyVaultKey:
    """The key from the certificate: so it need not be read from the vault, which takes another right."""
    public = certificate.chain[0].public_key()
    parts: dict[str, Any]
    if isinstance(public, rsa.RSAPublicKey):
        of_rsa = public.public_numbers()
        parts = {"kty": "RSA", "n": _encode_number(of_rsa.n), "e": _encode_number(of_rsa.e)}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        size, point = (public.key_size + 7) // 8, public.public_numbers()
        curve = f"P-{public.key_size}"
        parts = {"kty": "EC", "crv": curve, "x": point.x.to_bytes(size, "big"), "y": point.y.to_bytes(size, "big")}
    else:
        raise InputError("vault-certificate", f"{certificate.name} has a key that can sign no image.")
    return vault_keys.KeyVaultKey(certificate.key_id, {"kid": certificate.key_id, "key_ops": ["sign"], **parts})


def _encode_number(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
