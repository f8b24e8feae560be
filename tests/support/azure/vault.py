"""Azure Key Vault: certificates, their secrets, and keys that sign, with real cryptography.

The endpoints as published, each with its page:

- the 401 that a first request gets: https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
- `GET /certificates/NAME[/VERSION]`:
  https://learn.microsoft.com/rest/api/keyvault/certificates/get-certificate/get-certificate
- `GET /deletedcertificates/NAME`:
  https://learn.microsoft.com/rest/api/keyvault/certificates/get-deleted-certificate/get-deleted-certificate
- `GET /secrets/NAME[/VERSION]`: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
- `GET /keys/NAME[/VERSION]`: https://learn.microsoft.com/rest/api/keyvault/keys/get-key/get-key
- `POST /keys/NAME/VERSION/sign`: https://learn.microsoft.com/rest/api/keyvault/keys/sign/sign
- 401, 403, 429: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
- throttling: https://learn.microsoft.com/azure/key-vault/general/overview-throttling
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import pkcs12

from s3c_lab.certificates import Identity, pem
from tests.support.azure.entra import LOGIN, BadToken, Entra, base64url
from tests.support.azure.web import Answer, Request, json_answer
from tests.support.azure.world import World

# https://learn.microsoft.com/azure/key-vault/general/rbac-guide: what each right is called in the two models.
RIGHTS = {
    "certificates/get": "Microsoft.KeyVault/vaults/certificates/read",
    "secrets/get": "Microsoft.KeyVault/vaults/secrets/getSecret/action",
    "keys/get": "Microsoft.KeyVault/vaults/keys/read",
    "keys/sign": "Microsoft.KeyVault/vaults/keys/sign/action",
}
ALL = frozenset(RIGHTS)
SIGNER = frozenset({"certificates/get", "keys/sign"})
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


class Denied(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str, inner: str = "", **headers: str) -> None:
        super().__init__(message)
        error: dict[str, Any] = {"code": code, "message": message}
        if inner:
            error["innererror"] = {"code": inner}
        self.answer = json_answer({"error": error}, status, **headers)


@dataclass
class Version:
    """One version of a certificate, with its key and its secret.

    Attributes:
        stored: the certificates in the secret, in the order in which they were imported; empty: the whole chain.
    """

    identity: Identity = field(repr=False)
    version: str = field(default_factory=lambda: uuid.uuid4().hex)
    enabled: bool = True
    key_enabled: bool = True
    exportable: bool = False
    content_type: str = "application/x-pem-file"
    stored: tuple[x509.Certificate, ...] = ()
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def certificate(self) -> x509.Certificate:
        return self.identity.certificate


@dataclass
class Vault:
    """One vault.

    Attributes:
        name: of it; its host is NAME.vault.azure.net, or another cloud's.
        domain: of the cloud's vaults.
        rights: object id of a service principal → what it may do, as access policies call it.
        rbac: whether roles decide rather than access policies; it shows in what is said of a right that is missing.
        open_to_all: whether its firewall lets everybody in.
        throttled: how many requests more are turned away for being too many.
        retry_after: its header; None: Key Vault's own answers on `sign` have none
            (https://github.com/vcsjones/AzureSignTool/issues/219).
        failures: answers to the next signatures, the first one first.
        offset: seconds that its clock is ahead.
        tenant: whose tokens it takes.
        while_signing: called while a client waits for a signature.
    """

    name: str
    entra: Entra
    rights: dict[str, frozenset[str]] = field(default_factory=dict)
    rbac: bool = True
    open_to_all: bool = True
    throttled: int = 0
    retry_after: str | None = None
    failures: list[Answer] = field(default_factory=list)
    offset: float = 0.0
    tenant: str = ""
    while_signing: Callable[[], None] = lambda: None
    domain: str = "vault.azure.net"
    certificates: dict[str, list[Version]] = field(default_factory=dict)
    deleted: dict[str, list[Version]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"{self.name}.{self.domain}"

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    def install(self, world: World) -> None:
        """Answer in a world."""
        world.answer_for(self, self.host)

    def add(self, name: str, identity: Identity, **options: Any) -> Version:
        """Import a certificate, as a new version when there is one of that name."""
        version = Version(identity, **options)
        self.certificates.setdefault(name, []).append(version)
        return version

    def delete(self, name: str) -> None:
        """Delete it; it can be recovered."""
        self.deleted[name] = self.certificates.pop(name)

    def __call__(self, request: Request) -> Answer:
        try:
            answer = self._answer(request)
        except Denied as denied:
            answer = denied.answer
        moment = datetime.fromtimestamp(time.time() + self.offset, UTC)
        own = {
            "Date": format_datetime(moment, usegmt=True),
            "x-ms-keyvault-region": "westeurope",
            "x-ms-keyvault-service-version": "1.9.2300.1",
            "x-ms-request-id": str(uuid.uuid4()),
            "x-ms-keyvault-network-info": "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
        }
        return Answer(answer.status, answer.body, {**own, **answer.headers}, answer.broken)

    def _answer(self, request: Request) -> Answer:
        claims = self._authenticated(request)
        if "api-version" not in request.query:
            raise Denied(400, "BadParameter", "The request URI contains an invalid api-version.")
        if self.throttled > 0:
            self.throttled -= 1
            raise Denied(
                429,
                "Throttled",
                "Request was not processed because too many requests were received. Reason: "
                "VaultRequestTypeLimitReached",
                **({"Retry_After": self.retry_after} if self.retry_after is not None else {}),
            )
        if not self.open_to_all:
            raise Denied(
                403,
                "Forbidden",
                "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7"
                f"\r\nCaller: {_caller(claims)}\r\nVault: {self.name};location=westeurope",
                "ForbiddenByFirewall",
            )
        kind, name, version, verb = (*request.path.strip("/").split("/"), "", "", "")[:4]
        if kind == "certificates":
            self._may(claims, "certificates/get", f"certificates/{name}")
            return json_answer(self._bundle(name, self._version(self.certificates, "certificate", name, version)))
        if kind == "deletedcertificates":
            self._may(claims, "certificates/get", f"certificates/{name}")
            deleted = self._version(self.deleted, "certificate", name, "")
            recovery = {
                "recoveryId": f"{self.url}/deletedcertificates/{name}",
                "deletedDate": int(time.time()),
                "scheduledPurgeDate": int(time.time()) + 90 * 86400,
            }
            return json_answer({**recovery, **self._bundle(name, deleted)})
        if kind == "secrets":
            self._may(claims, "secrets/get", f"secrets/{name}")
            return self._secret(name, self._version(self.certificates, "secret", name, version))
        if kind == "keys" and verb == "sign" and request.method == "POST":
            self._may(claims, "keys/sign", f"keys/{name}")
            return self._sign(name, self._version(self.certificates, "key", name, version), request.json())
        if kind == "keys":
            self._may(claims, "keys/get", f"keys/{name}")
            key = self._version(self.certificates, "key", name, version)
            return json_answer({"key": self._jwk(name, key), "attributes": _attributes(key, key.key_enabled)})
        raise Denied(404, "NotFound", "The resource was not found.")

    def _authenticated(self, request: Request) -> dict[str, Any]:
        tenant = self.tenant or self.entra.tenant
        challenge = f'Bearer authorization="https://{LOGIN}/{tenant}", resource="https://{self.domain}"'
        if not request.bearer:
            raise Denied(
                401,
                "Unauthorized",
                "AKV10000: Request is missing a Bearer or PoP token.",
                WWW_Authenticate=challenge,
            )
        try:
            claims = self.entra.checked(request.bearer, f"https://{self.domain}")
        except BadToken as error:
            raise Denied(
                401,
                "Unauthorized",
                f"[BearerReadAccessTokenFailed] Error validating token: '{error}'.",
                WWW_Authenticate=challenge,
            ) from error
        if claims["tid"] != tenant:
            raise Denied(
                401,
                "Unauthorized",
                f"AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{tenant}/, found {claims['iss']}.",
                WWW_Authenticate=challenge,
            )
        return claims

    def _may(self, claims: dict[str, Any], right: str, resource: str) -> None:
        if right in self.rights.get(claims["oid"], frozenset()):
            return
        if self.rbac:
            raise Denied(
                403,
                "Forbidden",
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or "
                "role definitions were changed recently, please observe propagation time.\r\n"
                f"Caller: {_caller(claims)}\r\nAction: '{RIGHTS[right]}'\r\n"
                "Resource: '/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg-voting/providers/"
                f"microsoft.keyvault/vaults/{self.name}/{resource}'\r\nAssignment: (not found)\r\n"
                f"DenyAssignmentId: null\r\nDecisionReason: null \r\nVault: {self.name};location=westeurope\r\n",
                "ForbiddenByRbac",
            )
        kind, _, verb = right.partition("/")
        raise Denied(
            403,
            "Forbidden",
            f"The user, group or application '{_caller(claims)}' does not have {kind} {verb} permission on key vault "
            f"'{self.name};location=westeurope'. For help resolving this issue, please see "
            "https://go.microsoft.com/fwlink/?linkid=2125287",
            "AccessDenied",
        )

    def _version(self, among: dict[str, list[Version]], kind: str, name: str, version: str) -> Version:
        for held in reversed(among.get(name, [])):
            if version in ("", held.version):
                return held
        raise Denied(
            404,
            f"{kind.capitalize()}NotFound",
            f"A {kind} with (name/id) {name}{f'/{version}' if version else ''} was not found in this key vault. If you "
            f"recently deleted this {kind} you may be able to recover it using the correct recovery command. For help "
            "resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182",
        )

    def _bundle(self, name: str, of: Version) -> dict[str, Any]:
        der = of.certificate.public_bytes(serialization.Encoding.DER)
        ids = {
            "id": f"{self.url}/certificates/{name}/{of.version}",
            "kid": f"{self.url}/keys/{name}/{of.version}",
            "sid": f"{self.url}/secrets/{name}/{of.version}",
        }
        return {
            **ids,
            "x5t": base64url(hashlib.sha1(der).digest()),
            "cer": base64.b64encode(der).decode(),
            "attributes": _attributes(of, of.enabled),
            "policy": {
                "id": f"{self.url}/certificates/{name}/policy",
                "key_props": {"exportable": of.exportable, "reuse_key": False, **_kind_of_key(of)},
                "secret_props": {"contentType": of.content_type},
                "x509_props": {
                    "subject": of.certificate.subject.rfc4514_string(),
                    "ekus": ["1.3.6.1.5.5.7.3.3"],
                    "key_usage": ["digitalSignature"],
                    "validity_months": 12,
                    "basic_constraints": {"ca": False},
                },
                "lifetime_actions": [
                    {"trigger": {"lifetime_percentage": 80}, "action": {"action_type": "EmailContacts"}}
                ],
                "issuer": {"name": "Self" if len(of.identity.chain) == 1 else "Unknown"},
                "attributes": {"enabled": True, "created": of.created, "updated": of.created},
            },
            "pending": {"id": f"{self.url}/certificates/{name}/pending"},
        }

    def _secret(self, name: str, of: Version) -> Answer:
        if not of.enabled:
            raise Denied(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        stored = of.stored or of.identity.chain
        value = b"".join(pem(certificate) for certificate in stored)
        if of.exportable:
            value = of.identity.key_pem() + value
        if of.content_type == "application/x-pkcs12":
            bundle = pkcs12.serialize_key_and_certificates(None, None, None, stored, serialization.NoEncryption())
            value = base64.b64encode(bundle)
        return json_answer(
            {
                "value": value.decode(),
                "contentType": of.content_type,
                "id": f"{self.url}/secrets/{name}/{of.version}",
                "managed": True,
                "attributes": _attributes(of, of.enabled),
                "kid": f"{self.url}/keys/{name}/{of.version}",
            }
        )

    def _jwk(self, name: str, of: Version) -> dict[str, Any]:
        public = of.certificate.public_key()
        kid = {"kid": f"{self.url}/keys/{name}/{of.version}", "key_ops": ["sign", "verify"]}
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            parts = {"n": numbers.n, "e": numbers.e}
            return {
                **kid,
                "kty": "RSA",
                **{key: base64url(value.to_bytes((value.bit_length() + 7) // 8)) for key, value in parts.items()},
            }
        assert isinstance(public, ec.EllipticCurvePublicKey)
        size = (public.key_size + 7) // 8
        point = public.public_numbers()
        xy = {"x": base64url(point.x.to_bytes(size)), "y": base64url(point.y.to_bytes(size))}
        return {**kid, "kty": "EC", "crv": _CURVES[public.curve.name], **xy}

    def _sign(self, name: str, of: Version, asked: dict[str, str]) -> Answer:
        if self.failures:
            return self.failures.pop(0)
        if not of.key_enabled or not of.enabled:
            raise Denied(403, "Forbidden", "Operation sign is not allowed on a disabled key.", "KeyDisabled")
        now = datetime.now(UTC)
        if now > of.certificate.not_valid_after_utc:
            raise Denied(403, "Forbidden", "Operation sign is not allowed on an expired key.", "KeyExpired")
        if now < of.certificate.not_valid_before_utc:
            raise Denied(
                403, "Forbidden", "Operation sign is not allowed on a key that isn't yet valid.", "KeyNotYetValid"
            )
        self.while_signing()
        digest = base64.urlsafe_b64decode(asked["value"] + "=" * (-len(asked["value"]) % 4))
        return json_answer(
            {"kid": f"{self.url}/keys/{name}/{of.version}", "value": base64url(_signed(of, asked["alg"], digest))}
        )


def _signed(of: Version, algorithm: str, digest: bytes) -> bytes:
    """By RFC 7518, section 3: PS256 … and ES256 …, on a digest."""
    kind, size = algorithm[:2], algorithm[2:]
    key, hashed = of.identity.key, _HASHES[size]()
    if len(digest) != hashed.digest_size:
        raise Denied(400, "BadParameter", f"Invalid length of 'value': {len(digest)} bytes.")
    if kind == "PS" and isinstance(key, rsa.RSAPrivateKey):
        salted = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
        return key.sign(digest, salted, utils.Prehashed(hashed))
    if kind == "ES" and isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(hashed))))
        length = (key.key_size + 7) // 8
        return r.to_bytes(length) + s.to_bytes(length)
    raise Denied(400, "BadParameter", f"Key and signing algorithm are incompatible. Algorithm {algorithm}.")


def _kind_of_key(of: Version) -> dict[str, Any]:
    public = of.certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return {"kty": "RSA", "key_size": public.key_size}
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return {"kty": "EC", "crv": _CURVES.get(public.curve.name, public.curve.name), "key_size": public.key_size}


def _attributes(of: Version, enabled: bool) -> dict[str, Any]:
    return {
        "enabled": enabled,
        "nbf": int(of.certificate.not_valid_before_utc.timestamp()),
        "exp": int(of.certificate.not_valid_after_utc.timestamp()),
        "created": of.created,
        "updated": of.created,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }


def _caller(claims: dict[str, Any]) -> str:
    return f"appid={claims['appid']};oid={claims['oid']};iss={claims['iss']}"
