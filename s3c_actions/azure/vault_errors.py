"""What Azure Key Vault refuses, told apart: firewall, rights, state of the object, name, tenant, throttling.

https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, S3CError

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

# What the role of each action is called, by https://learn.microsoft.com/azure/key-vault/general/rbac-guide
_ROLES = {
    "certificates/read": ("certificates get", "Key Vault Certificate User"),
    "secrets/getSecret/action": ("secrets get", "Key Vault Certificate User"),
    "keys/sign/action": ("keys sign", "Key Vault Crypto User"),
}


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of which vault by whom, for the words of an error."""

    vault: str
    certificate: str
    client: str = ""

    @property
    def name(self) -> str:
        """The vault's name, without its domain."""
        return self.vault.partition(".")[0]


@contextmanager
def translating(about: About) -> Iterator[None]:
    """Raise what the Azure SDK raises as S3CError."""
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        raise told(error, about) from None
    except AzureError as error:
        raise _unreachable(error, about) from None
    except ValueError as error:
        if "challenge" not in str(error):
            raise
        raise InputError(
            "vault",
            f"{about.vault} does not answer as a key vault of this cloud.",
            cause="`azure-cloud` is another than the vault's, or something stands between us and the vault.",
            remedy="Look at `vault` and `azure-cloud`.",
            original=str(error)[:500],
        ) from None


def told(error: HttpResponseError, about: About) -> S3CError:
    """The error for people, of an answer of the vault's."""
    code, inner, message = _read(error)
    for known in (_firewall, _rights, _state, _absent, _tenant, _throttled):
        found = known(error.status_code or 0, f"{inner} {code}", message, about)
        if found is not None:
            found.original = found.original or f"{error.status_code} {inner or code}: {message}"[:4000]
            return found
    return OutsideError(
        f"The vault {about.name} answered HTTP {error.status_code}.",
        cause="Key Vault has a fault, or does not take the request.",
        remedy="Try again; look at https://azure.status.microsoft.",
        original=f"{inner or code}: {message}"[:4000],
    )


def _read(error: HttpResponseError) -> tuple[str, str, str]:
    """Code, inner code and message of an answer."""
    try:
        document: Any = reading.json_value(error.response.text() if error.response is not None else "")
        found = document["error"]
        inner = found.get("innererror") or found.get("innerError") or {}
        return str(found.get("code") or ""), str(inner.get("code") or ""), str(found.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", "", error.message or ""


def _firewall(_status: int, codes: str, message: str, about: About) -> S3CError | None:
    if not re.search(r"ForbiddenByFirewall|ForbiddenByConnection", codes) and "Client address" not in message:
        return None
    address = re.search(r"Client address: (\S+)", message)
    return OutsideError(
        f"The firewall of the vault {about.name} does not let this machine in.",
        cause=f"Its address, {address[1]}, is not among those allowed."
        if address
        else "Public access is switched off.",
        remedy="Run on a machine in the vault's network, or allow the address for the time of the run:\n"
        f"az keyvault network-rule add --name {about.name} --ip-address {address[1] if address else 'ADDRESS'}",
    )


def _rights(status: int, codes: str, message: str, about: About) -> S3CError | None:
    if status != 403:
        return None
    action = re.search(r"Action: 'Microsoft\.KeyVault/vaults/([A-Za-z/]+)'", message)
    policy = re.search(r"does not have (\w+) (\w+) permission", message)
    who = f"The identity{f' {about.client}' if about.client else ''}"
    if action and "ForbiddenByPolicy" not in codes:
        right, role = _ROLES.get(action[1], (action[1], "Key Vault Crypto User"))
        scope = re.search(r"Resource: '(/[^']+/vaults/[^/']+)", message)
        return OutsideError(
            f"{who} may not do this in the vault {about.name}: it lacks the right {right} (role `{role}`).",
            cause="The role was not assigned, at another scope, or a moment ago: that takes minutes to count.",
            remedy=f'Assign it:\naz role assignment create --role "{role}" --assignee {about.client or "IDENTITY"} '
            f"--scope {scope[1] if scope else 'VAULT-ID'}",
        )
    if policy:
        kind, right = policy[1], policy[2]
        return OutsideError(
            f"{who} may not do this in the vault {about.name}: its access policy lacks {kind} {right}.",
            cause="The vault has access policies, and none gives this right to this identity.",
            remedy=f"Add it:\naz keyvault set-policy --name {about.name} --spn {about.client or 'IDENTITY'} "
            f"--{kind.removesuffix('s')}-permissions {right}",
        )
    return None


_STATES = (
    (
        r"KeyDisabled|SecretDisabled|on a disabled",
        "the vault has it, but it is disabled.",
        "Somebody switched it off, perhaps because it is not to be used any more.",
        "Enable it, or name another one: az keyvault certificate set-attributes --vault-name {vault} --name {name} "
        "--enabled true",
    ),
    (
        r"KeyExpired|on an expired",
        "its key has expired.",
        "The certificate's time is over.",
        "Make a new version: az keyvault certificate create --vault-name {vault} --name {name} --policy @policy.json",
    ),
    (
        r"KeyNotYetValid|isn't yet valid|not yet valid",
        "its key is not valid yet.",
        "The certificate begins later, or a clock is wrong.",
        "Wait until then, or use another version with `vault-certificate-version`.",
    ),
)


def _state(status: int, codes: str, message: str, about: About) -> S3CError | None:
    if status not in (400, 403):
        return None
    for pattern, what, cause, remedy in _STATES:
        if re.search(pattern, f"{codes} {message}"):
            return InputError(
                "vault-certificate",
                f"{about.certificate}: {what}",
                cause=cause,
                remedy=remedy.format(vault=about.name, name=about.certificate),
            )
    return None


def _absent(status: int, _codes: str, _message: str, about: About) -> S3CError | None:
    if status != 404:
        return None
    return InputError(
        "vault-certificate",
        f"the vault {about.name} has no certificate {about.certificate}.",
        cause="The name is misspelt, or it is a key or a secret without a certificate.",
        remedy=f"See what is there: az keyvault certificate list --vault-name {about.name} --query [].name",
    )


def deleted(about: About) -> S3CError:
    """The error of a certificate that was deleted and can be recovered."""
    return InputError(
        "vault-certificate",
        f"{about.certificate} was deleted from the vault {about.name}.",
        cause="Somebody deleted it; the vault still keeps it.",
        remedy=f"Recover it: az keyvault certificate recover --vault-name {about.name} --name {about.certificate}",
    )


def no_such_version(about: About, version: str) -> S3CError:
    """The error of a certificate that is there, in other versions."""
    return InputError(
        "vault-certificate-version",
        f"{about.certificate} has no version {version} in the vault {about.name}.",
        remedy="Leave it out to take the newest, or look: az keyvault certificate list-versions "
        f"--vault-name {about.name} --name {about.certificate} --query [].id",
    )


def _tenant(status: int, _codes: str, message: str, about: About) -> S3CError | None:
    if status != 401:
        return None
    issuers = re.search(r"Expected one of (\S+?),? found (\S+?)\.?$", message.strip())
    if issuers or "AKV10032" in message:
        expected = re.search(r"https://sts\.windows\.net/([0-9a-fA-F-]+)", issuers[1]) if issuers else None
        return InputError(
            "tenant-id",
            f"the vault {about.name} belongs to another tenant{f', {expected[1]}' if expected else ''}.",
            cause="The login was at a tenant that the vault does not trust.",
            remedy=f"Set `tenant-id: {expected[1]}`." if expected else "Give the tenant that the vault is in.",
        )
    return OutsideError(
        f"The vault {about.name} does not accept the token that Microsoft Entra ID gave.",
        cause="The token ended before it arrived, is for another cloud, or a clock is wrong.",
        remedy="Try again; look at `azure-cloud` and at this machine's clock.",
    )


def _throttled(status: int, _codes: str, _message: str, about: About) -> S3CError | None:
    if status != 429:
        return None
    return OutsideError(
        f"The vault {about.name} turned the request away, each time it was tried: there are too many.",
        cause="Other jobs use the same vault; it allows so many operations in ten seconds.",
        remedy="Run fewer jobs at a time, or give the signing certificate a vault of its own.",
    )


def _unreachable(error: Exception, about: About) -> S3CError:
    said = str(error)
    if re.search(r"Name or service not known|resolve|getaddrinfo|nodename|No address", said):
        return InputError(
            "vault",
            f"there is no vault {about.vault}: its name leads nowhere.",
            cause="The name is misspelt, the vault was deleted, or it has a private address that this machine's DNS "
            "does not know.",
            remedy="Look at `vault` and `azure-cloud`, or run where the private address is known.",
            original=said[:1000],
        )
    return OutsideError(
        f"The vault {about.vault} could not be reached.",
        cause="The network, a proxy or a firewall is in the way.",
        remedy=f"Let this machine reach https://{about.vault}, and try again.",
        original=said[:1000],
    )
