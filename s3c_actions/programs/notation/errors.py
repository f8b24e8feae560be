"""Translation of notation's errors and rejections into what to change; recorded in tests/data/notation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import OutsideError, Refused, S3CError
from s3c_actions.core.explain import Case, explain
from s3c_actions.core.process import ProgramFailed

if TYPE_CHECKING:
    from s3c_actions.core.process import CompletedProgram

_TIMESTAMP = "Without a time-stamp the signature ends with the certificate: nothing was pushed."
_UNREADABLE_SUBJECT = "parsing the certificate subject from the digital signature"


class UnlistedSignature(OutsideError):
    """The signature was pushed, and the list of the referrers tag schema could not be written."""


class UnsettledBlob(OutsideError):
    """Another client was storing the same blob at this moment: nothing was pushed, and the next try may succeed."""


SIGNING = (
    Case(
        pattern=r"plugin executable file is either not found|plugin \S+ not found",
        field="plugin",
        what="the plugin is not installed where notation looks for it.",
        cause="Its name is misspelt, or it was never installed.",
        remedy="Give its path or an archive with `plugin-url` and `plugin-checksum`.",
    ),
    Case(
        pattern=r"plugin executable file name must be \S{0,500}?notation-(?P<name>\S{1,500}?)\\?\" instead",
        field="plugin",
        what="the plugin calls itself `{name}`, which is another name than its file's.",
        cause="Its file was renamed.",
        remedy="Name the file `notation-NAME` as the plugin calls itself.",
    ),
    Case(
        pattern=r"failed to check root certificate|is not a root certificate|found more than one certificates",
        field="timestamp-root-cert",
        what="it is not the one root certificate of a time-stamp authority.",
        cause="It holds several certificates, an intermediate one, or one that is no authority's.",
        remedy="Give the authority's self-signed root certificate alone, in PEM or DER.",
    ),
    Case(
        pattern=r"timestamp: .*(?:connection refused|no such host|timeout|deadline exceeded|network is unreachable)",
        what="The time-stamp authority could not be reached.",
        cause="It is down, its address is wrong, or a firewall is in between.",
        remedy=f"Look at `timestamp-url`, or try again. {_TIMESTAMP}",
    ),
    Case(
        pattern=r"timestamp: .*(?:x509|certificate|unknown authority)",
        what="The time-stamp is not signed by an authority under the root certificate given.",
        cause="`timestamp-root-cert` belongs to another authority, or the authority's certificate breaks the rules.",
        remedy=f"Give the root certificate of the authority at `timestamp-url`. {_TIMESTAMP}",
    ),
    Case(
        pattern=r"timestamp: ",
        what="The time-stamp authority gave no time-stamp.",
        cause="It refused the request or answered with something else.",
        remedy=f"Look at `timestamp-url`: it has to be an RFC 3161 service. {_TIMESTAMP}",
    ),
    Case(
        pattern=r"failed to sign with the plugin \S+ certificate-chain is invalid, "
        r"(?:invalid self-signed certificate\. Error: )?(?P<why>[^\n]+)",
        field="key-id",
        what="the plugin's certificate cannot sign images: {why}.",
        cause="It was issued for another purpose, or its chain is incomplete.",
        remedy="Give the key of a signing certificate: critical keyUsage digitalSignature alone, codeSigning at most.",
    ),
    Case(
        pattern=r"(?:describe-key|generate-signature|generate-envelope|get-plugin-metadata) "
        r"command for plugin (?P<plugin>[^\s:]+)",
        what="The plugin {plugin} failed.",
        cause="The key is not there, this identity may not use it, or its service cannot be reached.",
        remedy="Look at what the plugin said, at `key-id` and `plugin-config`.",
    ),
)

REGISTRY = (
    Case(
        pattern=r"failed to push referrers index tagged by (?P<tag>sha256-[0-9a-f]{64}): [^\n]{0,1000}?"
        r"response status code (?:400|405|409|412|403[^\n]{0,500}?(?:immutable|locked|protected))",
        kind=UnlistedSignature,
        what="The signature was pushed, and the registry did not let its list be written, the tag {tag}.",
        cause="Tags are immutable or locked there, or the registry takes such a tag for a digest, as GitLab's does.",
        remedy="Exempt tags `sha256-*` from the rule, or use a registry with the Referrers API "
        f"({doc_link('registries.md')}).",
    ),
    Case(
        pattern=r"manifest blob unknown|blob unknown to registry",
        kind=UnsettledBlob,
        what="The registry did not know what it had been sent a moment before.",
        cause="Another signer of this repository stored the same at the same moment, or the registry loses content.",
        remedy="Try again.",
    ),
    Case(
        pattern=r"manifest descriptor: \S+: not found|MANIFEST_UNKNOWN|NAME_UNKNOWN",
        field="image",
        what="it does not exist in the registry.",
        cause="It was deleted, never pushed, or the name is misspelt.",
        remedy="Push it first, or look at the name and the digest.",
    ),
    Case(
        pattern=r"connection refused|no such host|network is unreachable|connection reset|EOF\b",
        what="The registry could not be reached.",
        cause="It is down, its name or port is wrong, or the network is.",
        remedy="Look at the image's registry and try again.",
    ),
    Case(
        pattern=r"timeout|deadline exceeded",
        what="The registry did not answer in time.",
        cause="It is overloaded, or a firewall drops the connection.",
        remedy="Try again, or give more time with `timeout`.",
    ),
    Case(
        pattern=r"server gave HTTP response to HTTPS client",
        what="The registry speaks plain HTTP.",
        cause="It is a test registry without a certificate.",
        remedy="Set `insecure-registry: true` if that is meant.",
    ),
    Case(
        pattern=r"tls:|x509: certificate signed by unknown authority|failed to verify certificate",
        what="The registry's TLS certificate is not trusted.",
        cause="It is self-signed, or signed by an authority this machine does not know.",
        remedy="Add the authority to this machine's certificates.",
    ),
    Case(
        pattern=r"response status code 401|unauthorized|basic credential not found|credential required",
        what="The registry asks for credentials, and those given were not accepted.",
        cause="Nobody is logged in, or user name, password or token are wrong or expired.",
        remedy="Give `registry-username` and `registry-password`, or log in first (`docker login`).",
    ),
    Case(
        pattern=r"response status code 403|denied|forbidden",
        what="The registry does not allow this.",
        cause="The credentials may read but not push, or not use this repository.",
        remedy="Give the identity the right to push (such as AcrPush), signatures included.",
    ),
    Case(
        pattern=r"response status code (?:5\d\d|429)",
        what="The registry failed by itself.",
        cause="It has an outage or refuses because of too many requests.",
        remedy="Try again later.",
    ),
)

TRUST = (
    Case(
        pattern=r"the trust store \S+ of type \S+ does not exist|no x509 certificates were found in trust store",
        field="trust-store",
        what="a store that the trust policy names is not there or is empty.",
        cause="The policy's `trustStores` and the folders below `x509/` have different names.",
        remedy="Put the certificates into `x509/TYPE/NAME/`, as the policy names them.",
    ),
    Case(
        pattern=r"is not a CA certificate or self-signed signing certificate",
        field="trust-store",
        what="it holds a certificate that is neither an authority's nor self-signed.",
        cause="A signing certificate issued by an authority cannot be a trust anchor.",
        remedy="Trust the authority's certificate, and pin the signer with `trusted-identity`.",
    ),
    Case(
        pattern=r"failed to (?:read|validate) the trusted certificate|trusted certificate .* is not a regular file"
        r"|trusted certificate .* is invalid|not a regular directory",
        field="trust-store",
        what="a certificate in it cannot be used.",
        cause="It is not X.509 in PEM or DER, a symbolic link, or no root certificate where one is asked for.",
        remedy="Put regular files with authorities' certificates there.",
    ),
    Case(
        pattern=r"no applicable trust policy|does not have an applicable trust policy|has no applicable",
        field="trust-policy",
        what="no statement in it is for this repository.",
        cause="Its `registryScopes` name other repositories.",
        remedy='Add the repository to `registryScopes`, or a statement for `"*"`.',
    ),
    Case(
        pattern=r"trust ?policy.{0,200}?(?:malformed|invalid|missing|unsupported|not present|must|cannot|duplicate)"
        r"|trust policy (?:statement|document|is not a regular file|is not present)|trust policy: "
        r"|(?:malformed|unable to read) trust policy|registry scope \\?\"|distinguished name \(DN\)"
        r"|signature verification level|custom signature verification",
        field="trust-policy",
        what="notation does not accept it.",
        cause="It breaks the rules for trust policies; the original message says which.",
        remedy="Fix what the message names.",
    ),
)

# Ordered from the closest to acceptance: of several signatures, the reason of the closest helps most.
REJECTIONS = (
    Case(
        pattern=r"unable to find specified metadata",
        kind=Refused,
        what="Its signature does not hold the metadata asked for.",
        remedy="Sign it with that `user-metadata`, or ask for what is there.",
    ),
    Case(
        pattern=r"no timestamp countersignature",
        kind=Refused,
        what="Its signature has no time-stamp, and the trust policy asks for one.",
        remedy="Sign it again with `timestamp-url`.",
    ),
    Case(
        pattern=r"timestamping certificate .*revocation status is unknown",
        kind=Refused,
        what="Whether the authority of its time-stamp is revoked could not be found out.",
        remedy="Let this machine reach the OCSP and CRL addresses in the authority's certificates, and try again.",
    ),
    Case(
        pattern=r"timestamp",
        kind=Refused,
        what="The time-stamp of its signature is not trusted.",
        remedy="Give the root certificate of the authority that made it as `trusted-timestamp-root`.",
    ),
    Case(
        pattern=r"is revoked",
        kind=Refused,
        what="The certificate it was signed with is revoked.",
        remedy="Sign it again with a certificate that is valid.",
    ),
    Case(
        pattern=r"revocation status is unknown|unable to check revocation",
        kind=Refused,
        what="Whether the certificate it was signed with is revoked could not be found out.",
        remedy="Let this machine reach the authority's OCSP or CRL address, and try again.",
    ),
    Case(
        pattern=r"verification time is after certificate|was expired at",
        kind=Refused,
        what="The certificate it was signed with has expired, and no trusted time-stamp shows that it was signed "
        "before.",
        remedy="Sign it again with a valid certificate, best with `timestamp-url`.",
    ),
    Case(
        pattern=r"verification time is before certificate|was not valid when",
        kind=Refused,
        what="The certificate it was signed with is not valid yet.",
        remedy="Look at this machine's clock, or wait.",
    ),
    Case(
        pattern=r"digital signature has expired on \\*\"(?P<moment>[^\"\\]+)",
        kind=Refused,
        what="Its signature expired on {moment}.",
        remedy="Sign it again, with a later expiry or none.",
    ),
    Case(
        pattern=r"content descriptor mismatch",
        kind=Refused,
        what="The signature found at this digest was made for another image.",
        remedy="Somebody may have moved a signature here: sign the image anew and look at who pushed it.",
    ),
    Case(
        pattern=r"signature is invalid|unable to parse the digital signature|malformed|envelope",
        kind=Refused,
        what="Its signature is damaged or was tampered with.",
        remedy="Do not use it; sign the image anew and look at who pushed the signature.",
    ),
    Case(
        pattern=_UNREADABLE_SUBJECT,
        kind=Refused,
        what="It is signed by a certificate whose subject no trust policy can name.",
        remedy="Sign it with one that has C, ST and O, each attribute once, and no emailAddress, UID or DC.",
    ),
    Case(
        pattern=r"does not match the X\.509 trusted identities",
        kind=Refused,
        what="It is signed by another identity than the trusted ones.",
        remedy="Sign it with the right certificate, or add the signer to `trusted-identity`.",
    ),
    Case(
        pattern=r"does not contain any trusted certificate|not produced by a trusted signer|authenticity was set to",
        kind=Refused,
        what="It is signed by a certificate that the trust store does not lead to.",
        remedy="Sign it with a trusted certificate, or add the signer's authority to the trust store.",
    ),
)


def not_signed(completed: CompletedProgram) -> S3CError:
    """The error of a run that should have signed, or listed signatures."""
    output = _output(completed)
    return _explain(output, (*SIGNING, *REGISTRY)) or ProgramFailed(
        completed, what="notation could not sign.", remedy="Look at what it said."
    )


def not_verified(completed: CompletedProgram) -> S3CError:
    """The error of a run that should have verified: wrong input, a verdict (Refused), or an outside failure."""
    output = _output(completed)
    rejected = re.findall(
        r"level=warning msg=\"?Signature (?:sha256:[0-9a-f]{64}) failed verification with error: (.+?)\"?$",
        output,
        re.MULTILINE,
    )
    # A wrong trust store rejects every signature too: it is explained as wrong input. The subject
    # of the signer is not part of it: that it cannot be read is a reason to reject the signature.
    own_output = "\n".join(line for line in output.splitlines() if _UNREADABLE_SUBJECT not in line)
    known = _explain(own_output, TRUST)
    if known:
        return known
    if "no signature is associated with" in output:
        return Refused(
            "It has no signature.",
            cause="It was never signed, was pushed anew after signing, or its signatures were not copied along.",
            remedy="Sign it with `s3c sign`, or give the digest that was signed.",
            original=_last_errors(output),
        )
    if rejected:
        return rejection(rejected)
    return _explain(output, REGISTRY) or ProgramFailed(
        completed, what="notation could not verify.", remedy="Look at what it said."
    )


def rejection(reasons: Sequence[str], image: str = "") -> S3CError:
    """The verdict on rejected signatures (Refused), by the first matching reason of `REJECTIONS`.

    Args:
        reasons: notation's, for each signature.
        image: reference of the signed image.
    """
    original = "\n".join(reasons)[:4000]
    # Thousands of signatures are rejected for few reasons.
    text = "\n".join(dict.fromkeys(reasons))
    return explain(text, REJECTIONS, image=image, original=original, flags=re.IGNORECASE) or Refused(
        "None of its signatures was accepted.",
        remedy="Look at the reasons that notation gives.",
        image=image,
        original=original,
    )


def _output(completed: CompletedProgram) -> str:
    return f"{completed.stderr}\n{completed.stdout}"


def _explain(output: str, cases: tuple[Case, ...]) -> S3CError | None:
    # The log's other lines hold untrusted names; only its errors are matched.
    errors = "\n".join(line for line in output.splitlines() if not line.startswith("level=info"))
    return explain(errors, cases, original=_last_errors(errors), flags=re.IGNORECASE)


def _last_errors(output: str) -> str:
    """Notation's own error, without the log around it."""
    errors = [line for line in output.splitlines() if line.startswith(("Error:", "level=error"))]
    return ("\n".join(errors) or output.strip())[-2000:]
