"""Azure Key Vault's refusals by kind: firewall, rights, state of the object, name, tenant, throttling.

https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.azure.libraries import azure_exceptions
from s3c_actions.azure.tries import count_tries
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.explain import Case, explain

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

    from s3c_actions.azure.retries import Retries

# The right and the role of each action, by https://learn.microsoft.com/azure/key-vault/general/rbac-guide
_ROLES = {
    "certificates/read": ("certificates get", "Key Vault Certificate User"),
    "secrets/getSecret/action": ("secrets get", "Key Vault Certificate User"),
    "keys/sign/action": ("keys sign", "Key Vault Crypto User"),
}
_ACTION = r"Action: 'Microsoft\.KeyVault/vaults/(?P<action>[A-Za-z/]+)'"
_EXPECTED_ISSUERS, _ACTUAL_ISSUER = r"Expected one of \S{0,500}?", r"\S{0,500}?,? found \S+\Z"


class VaultContext(msgspec.Struct, frozen=True, kw_only=True):
    """The request to a vault, for the text of its error."""

    vault: str
    certificate: str
    client: str = ""

    @property
    def name(self) -> str:
        """The vault's name, without its domain."""
        return self.vault.partition(".")[0]


@contextmanager
def translate_errors(context: VaultContext, retries: Retries) -> Iterator[None]:
    """Translate the Azure SDK's exceptions into S3CError.

    Args:
        context: the request.
        retries: the policy that sent it, and knows how often.
    """
    try:
        yield
    except azure_exceptions.HttpResponseError as error:
        raise translate_vault_error(error, context, retries.tries) from None
    except azure_exceptions.AzureError as error:
        raise _unreachable_error(error, context, retries.tries) from None
    except json.JSONDecodeError as error:
        raise OutsideError(
            f"The vault {context.name} gave an answer that is no key vault's.",
            cause="A proxy or a sign-in page of the network answers in its place.",
            remedy=f"Let this machine reach https://{context.vault} itself, and try again.",
            original=str(error)[:500],
        ) from None
    except ValueError as error:
        if "challenge" not in str(error):
            raise
        raise InputError(
            "vault",
            f"{context.vault} does not answer as a key vault of this cloud.",
            cause="`azure-cloud` is another than the vault's, or something stands between us and the vault.",
            remedy="Look at `vault` and `azure-cloud`.",
            original=str(error)[:500],
        ) from None


# An answer is one text: `STATUS INNER-CODE CODE` on its first line, and the message below.
CASES = (
    Case(
        pattern=r"Client address: (?P<address>\S+)",
        what="The firewall of the vault {vault} does not let this machine in.",
        cause="Its address, {address}, is not among those allowed.",
        remedy="Run on a machine in the vault's network, or allow the address for the time of the run:\n"
        "az keyvault network-rule add --name {vault} --ip-address {address}",
    ),
    Case(
        pattern=r"\A.*ForbiddenBy(?:Firewall|Connection)|Client address",
        what="The firewall of the vault {vault} does not let this machine in.",
        cause="Public access is switched off.",
        remedy="Run on a machine in the vault's network, or allow the address for the time of the run:\n"
        "az keyvault network-rule add --name {vault} --ip-address ADDRESS",
    ),
    Case(
        pattern=_ACTION,
        also=r"\A403 (?!.*ForbiddenByPolicy)",
        what="{who} may not do this in the vault {vault}: it lacks the right {right} (role `{role}`).",
        cause="The role was not assigned, at another scope, or a moment ago: that takes minutes to count.",
        remedy='Assign it:\naz role assignment create --role "{role}" --assignee {assignee} --scope {scope}',
    ),
    Case(
        pattern=r"does not have (?P<kind>(?P<single>\w+?)s?) (?P<right>\w+) permission",
        also=r"\A403 ",
        what="{who} may not do this in the vault {vault}: its access policy lacks {kind} {right}.",
        cause="The vault has access policies, and none gives this right to this identity.",
        remedy="Add it:\naz keyvault set-policy --name {vault} {principal} --{single}-permissions {right}",
    ),
    Case(
        pattern=r"KeyDisabled|SecretDisabled|on a disabled",
        also=r"\A40[03] ",
        field="vault-certificate",
        what="{certificate}: the vault has it, but it is disabled.",
        cause="Somebody switched it off, perhaps because it is not to be used any more.",
        remedy="Enable it, or name another one: az keyvault certificate set-attributes --vault-name {vault} "
        "--name {certificate} --enabled true",
    ),
    Case(
        pattern=r"KeyExpired|on an expired",
        also=r"\A40[03] ",
        field="vault-certificate",
        what="{certificate}: its key has expired.",
        cause="The certificate's time is over.",
        remedy="Make a new version: az keyvault certificate create --vault-name {vault} --name {certificate} "
        "--policy @policy.json",
    ),
    Case(
        pattern=r"KeyNotYetValid|isn't yet valid|not yet valid",
        also=r"\A40[03] ",
        field="vault-certificate",
        what="{certificate}: its key is not valid yet.",
        cause="The certificate begins later, or a clock is wrong.",
        remedy="Wait until then, or use another version with `vault-certificate-version`.",
    ),
    Case(
        pattern=r"\A404 ",
        field="vault-certificate",
        what="the vault {vault} has no certificate {certificate}.",
        cause="The name is misspelt, or it is a key or a secret without a certificate.",
        remedy="See what is there: az keyvault certificate list --vault-name {vault} --query [].name",
    ),
    Case(
        pattern=rf"{_EXPECTED_ISSUERS}\S*?https://sts\.windows\.net/(?P<tenant>[0-9a-fA-F-]+){_ACTUAL_ISSUER}",
        also=r"\A401 ",
        field="tenant-id",
        what="the vault {vault} belongs to another tenant, {tenant}.",
        cause="The login was at a tenant that the vault does not trust.",
        remedy="Set `tenant-id: {tenant}`.",
    ),
    Case(
        pattern=rf"{_EXPECTED_ISSUERS}{_ACTUAL_ISSUER}|AKV10032",
        also=r"\A401 ",
        field="tenant-id",
        what="the vault {vault} belongs to another tenant.",
        cause="The login was at a tenant that the vault does not trust.",
        remedy="Give the tenant that the vault is in.",
    ),
    Case(
        pattern=r"\A401 ",
        what="The vault {vault} does not accept the token that Microsoft Entra ID gave.",
        cause="The token ended before it arrived, is for another cloud, or a clock is wrong.",
        remedy="Try again; look at `azure-cloud` and at this machine's clock.",
    ),
    Case(
        pattern=r"\A429 ",
        what="The vault {vault} turned the request away: there are too many. It was tried {tries}.",
        cause="Other jobs use the same vault; it allows so many operations in ten seconds.",
        remedy="Run fewer jobs at a time, or give the signing certificate a vault of its own.",
    ),
)
# Network errors, without an answer.
NETWORK = (
    Case(
        pattern=r"Name or service not known|resolve|getaddrinfo|nodename|No address",
        field="vault",
        what="there is no vault {host}: its name leads nowhere.",
        cause="The name is misspelt, the vault was deleted, or it has a private address that this machine's DNS "
        "does not know.",
        remedy="Look at `vault` and `azure-cloud`, or run where the private address is known.",
    ),
)


def translate_vault_error(error: HttpResponseError, context: VaultContext, tries: int) -> S3CError:
    """Translate an error answer of the vault, to a request that was sent so many times."""
    code, inner, message = _parse_error(error)
    text = f"{error.status_code or 0} {' '.join(f'{inner} {code}'.split())}\n{message.strip()}"
    original = f"{error.status_code} {inner or code}: {message}"[:4000]
    return explain(text, CASES, _facts(message, context, tries), original=original) or OutsideError(
        f"The vault {context.name} answered HTTP {error.status_code}. It was tried {count_tries(tries)}.",
        cause="Key Vault has a fault, or does not take the request.",
        remedy="Try again; look at https://azure.status.microsoft.",
        original=f"{inner or code}: {message}"[:4000],
    )


def _facts(message: str, context: VaultContext, tries: int) -> dict[str, str]:
    action = re.search(_ACTION, message)
    lacking = action["action"] if action else ""
    right, role = _ROLES.get(lacking, (lacking, "Key Vault Crypto User"))
    # Every kind of principal has an object id: an application, a managed identity, a user.
    caller = re.search(r"\boid=([0-9a-fA-F-]{36})\b", message)
    scope = re.search(r"Resource: '(/[^']+/vaults/[^/']+)", message)
    return {
        "vault": context.name,
        "host": context.vault,
        "tries": count_tries(tries),
        "certificate": context.certificate,
        "who": f"The identity {context.client}" if context.client else "The identity",
        "assignee": context.client or (caller[1] if caller else "CLIENT-ID"),
        "principal": f"--object-id {caller[1]}" if caller else f"--spn {context.client or 'CLIENT-ID'}",
        "right": right,
        "role": role,
        "scope": scope[1] if scope else "VAULT-ID",
    }


def _parse_error(error: HttpResponseError) -> tuple[str, str, str]:
    """Code, inner code and message of an answer."""
    try:
        document: Any = reading.parse_json(error.response.text() if error.response is not None else "")
        error_object = document["error"]
        inner = error_object.get("innererror") or error_object.get("innerError") or {}
        return str(error_object.get("code") or ""), str(inner.get("code") or ""), str(error_object.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", "", error.message or ""


def deleted_error(context: VaultContext) -> S3CError:
    """The error of a certificate that was deleted and can be recovered."""
    return InputError(
        "vault-certificate",
        f"{context.certificate} was deleted from the vault {context.name}.",
        cause="Somebody deleted it; the vault still keeps it.",
        remedy=f"Recover it: az keyvault certificate recover --vault-name {context.name} --name {context.certificate}",
    )


def missing_version_error(context: VaultContext, version: str) -> S3CError:
    """The error of a certificate that exists in other versions only."""
    return InputError(
        "vault-certificate-version",
        f"{context.certificate} has no version {version} in the vault {context.name}.",
        remedy="Leave it out to take the newest, or look: az keyvault certificate list-versions "
        f"--vault-name {context.name} --name {context.certificate} --query [].id",
    )


def _unreachable_error(error: Exception, context: VaultContext, tries: int) -> S3CError:
    message = str(error)
    return explain(message, NETWORK, _facts("", context, tries), original=message[:1000]) or OutsideError(
        f"The vault {context.vault} could not be reached. It was tried {count_tries(tries)}.",
        cause="The network, a proxy or a firewall is in the way.",
        remedy=f"Let this machine reach https://{context.vault}, and try again.",
        original=message[:1000],
    )
