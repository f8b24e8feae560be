"""What an admission webhook says when it denies an object, as one line for each image: image, reason, remedy, trace.

Read are the messages of the template in manifests/gatekeeper, those of Ratify's own stock template, and what the API
server says when the webhook cannot be asked. Whatever else a webhook says is kept as it is.
"""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError, Refused
from s3c_actions.core.explain import Case, explain

_DENIED = re.compile(r'admission webhook "(?P<webhook>[^"]+)" denied the request(?:: (?P<explanation>.*))?', re.DOTALL)
_FAILED = re.compile(r'failed calling webhook "(?P<webhook>[^"]+)": (?P<why>.*)', re.DOTALL)
_ENTRY = re.compile(r"^\[(?P<constraint>[a-z0-9.-]+)\] ", re.MULTILINE)
_TRACE = re.compile(r"\(?trace(?:[ -]?id)?:? (?P<trace>[0-9A-Za-z-]{4,64})\)?", re.IGNORECASE)
_REFERENCE = r"[A-Za-z0-9.\[\]:_-]+(?:/[A-Za-z0-9._-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"
_IMAGE = re.compile(rf"^(?P<image>{_REFERENCE}) (?:is not trusted|could not be verified): (?P<why>.*)$", re.DOTALL)
_NO_ANSWER = re.compile(
    rf"^Ratify could not be asked about (?P<images>{_REFERENCE}(?:, {_REFERENCE})*): (?P<why>.*)$", re.DOTALL
)
_PROVIDER = re.compile(
    r"failed to send external data request to provider (?P<provider>[\w.-]+): (?P<why>.*)", re.DOTALL
)
# Ratify's log, logrus' text format: what a store or verifier warns of, under the trace id of the verdict.
_LOGGED = re.compile(
    r"^time=\S+ level=(?:warning|error) msg=(?P<why>.*?) component-type=\S+ .*?trace-id=(?P<trace>[0-9A-Za-z-]+)\s*$",
    re.MULTILINE,
)
# A request's address, in front of the request's result.
_REQUEST = re.compile(r'\A.*\b(?:Head|Get|Post) "[^"]*": ', re.DOTALL)
# The mutation, which comes before, turns tags into digests.
_MUTATION = re.compile(rf"failed to get subject descriptor for image (?P<image>{_REFERENCE}): (?P<why>.*)", re.DOTALL)
# Ratify prints a structure of Go's in the middle of its sentence.
_NOISE = re.compile(r"\{Descriptor:\{.*?\} ArtifactType:[^}]*\} ?")
_SILENT = re.compile(rf"^(?P<image>{_REFERENCE}): (?P<why>Ratify said nothing about it\..*)$", re.DOTALL)
_UNPINNED = re.compile(rf"^(?P<image>{_REFERENCE}) has no digest: (?P<why>.*?)\.(?: (?P<remedy>.*))?$", re.DOTALL)
_STOCK = re.compile(rf"^Subject failed verification: (?P<image>{_REFERENCE})\s*(?P<why>.*)$", re.DOTALL)

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]+)")?'
)


NO_SIGNATURE = "it has no signature"


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """Why one thing was not admitted.

    Attributes:
        image: as the object names it; empty when the message names none.
        reason: a clause; `remedy` a sentence on what to change.
        trace: Ratify's trace id, to look up in its log.
        constraint: of Gatekeeper; `webhook` when another webhook denied it.
        unavailable: no verdict was given: something could not be asked.
        original: the original text.
    """

    image: str = ""
    reason: str
    remedy: str = ""
    trace: str = ""
    constraint: str = ""
    webhook: str = ""
    unavailable: bool = False
    original: str = ""

    @property
    def what(self) -> str:
        """`app@sha256:… was not admitted: it has no signature (constraint ratify-verification, trace 54ab39d7).`."""
        by = [f"constraint {self.constraint}"] if self.constraint else [f"webhook {self.webhook}"]
        by += [f"trace {self.trace}"] if self.trace else []
        return f"{self.image or 'The object'} was not admitted: {self.reason} ({', '.join(by)})."

    @property
    def cause(self) -> str:
        """The rest of the original text, where s3c words the reason."""
        return ""


class MissingPermission(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may not do; `resource` as RBAC has it, with its group (`deployments.apps`)."""

    user: str
    verb: str
    resource: str
    namespace: str


# What to change, by what Ratify and notation say: a clause as `what`, of the kind Refused when it is a verdict, else
# OutsideError. `{image}` is the denied one, `{asked}` what was asked.
CASES = (
    Case(
        pattern=r"no timestamp countersignature",
        kind=Refused,
        what="its signature has no time-stamp, and the gate asks for one",
        remedy="Sign {image} again, with `timestamp-url`.",
    ),
    Case(
        pattern=r"timestamping certificate .*revocation status is unknown",
        kind=OutsideError,
        what="whether the authority of its time-stamp is revoked could not be found out",
        remedy="Let Ratify reach the OCSP and CRL addresses in the authority's certificates.",
    ),
    Case(
        pattern=r"timestamp countersignature|timestamp can be (?:before|after)|timestamping certificate|tsa trust "
        r"store",
        kind=Refused,
        what="the time-stamp of its signature is not trusted",
        remedy="Give the gate the root certificate of its authority (`trusted-timestamp-root`), or sign {image} again.",
    ),
    Case(
        pattern=r"x509: certificate has expired|certificate .*(?:expired|not valid)|outside its validity",
        kind=Refused,
        what="its signature's certificate has expired",
        remedy="Sign {image} again with a certificate that is valid.",
    ),
    Case(
        pattern=r"signature (?:is|has) expired|digital signature has expired",
        kind=Refused,
        what="its signature has expired",
        remedy="Sign {image} again.",
    ),
    Case(
        pattern=r"not produced by a trusted signer|does not contain any trusted certificate|X\.509 trusted identities|"
        r"authenticity (?:check|validation) failed",
        kind=Refused,
        what="it is signed, but not by anyone the cluster trusts",
        remedy="Sign {image} with the trusted key, or add the signer's certificate to Ratify's KeyManagementProvider.",
    ),
    Case(
        pattern=r"integrity (?:check|validation) failed|signature is invalid",
        kind=Refused,
        what="its signature is not valid: it was changed after signing",
        remedy="Sign {image} again, and look at who may push to the repository.",
    ),
    Case(
        pattern=r"connection refused|no such host|i/o timeout|deadline exceeded|no route to host|no endpoints|\bEOF\b",
        kind=OutsideError,
        what="{asked} could not be asked",
        remedy="Look at {asked}: it has to answer before anything is admitted.",
    ),
    Case(
        pattern=r"\b40[13]\b|unauthorized|denied: requested access|authentication required",
        kind=OutsideError,
        what="the cluster may not read its registry",
        remedy="Give Ratify's identity the right to pull (AcrPull) from it.",
    ),
    Case(
        pattern=r"could not resolve descriptor for a subject",
        kind=OutsideError,
        what="Ratify finds it in no registry: it is not there, or the cluster cannot reach or may not read it",
        remedy="Look whether it is there, and at Ratify's log for what the registry said.",
    ),
    Case(
        pattern=r"manifest unknown|not found|\b404\b|name unknown",
        kind=Refused,
        what="it is not in its registry",
        remedy="Push it, or look at the name and the digest.",
    ),
    Case(
        pattern=r"has no signature|no (?:signature|referrer)s? (?:is |was |were )?(?:found|associated)"
        r"|no verifier reports",
        kind=Refused,
        what=NO_SIGNATURE,
        remedy="Sign it with `s3c sign {image}`, or deploy the digest that is signed.",
    ),
)


RATIFY_BUSY = "Ratify was not ready to read its evidence"
"""The reason of a denial that passes by itself."""
# What a policy says (policy/evidence.rego): each clause tells its own remedy.
_BY_POLICY = re.compile(
    r"(?:^|; )(?:its newest scan report|it has no scan report|its SBOM|it has [0-9]+ refused finding|"
    r"it has what the policy denies|the exception for|it holds (?:what|packages)|"
    r"it is signed, but by nobody whom the policy)"
)


def parse(message: str) -> tuple[Denial, ...]:
    """The denials in the API server's message, or in an event's; none when no webhook denied anything."""
    if failed := _FAILED.search(message):
        why = " ".join(failed["why"].split())
        reason, remedy, _ = _explain_reason(why, "", "the gate itself (Gatekeeper)")
        return (
            Denial(
                reason=reason if "asked" in reason else f"the gate itself could not be asked: {why[:200]}",
                remedy=remedy if "asked" in reason else "Look at the Pods in gatekeeper-system.",
                webhook=failed["webhook"],
                unavailable=True,
                original=why,
            ),
        )
    denied = _DENIED.search(message)
    if denied is None:
        return ()
    explanation, webhook = (denied["explanation"] or "it gave no reason").strip(), denied["webhook"]
    entries = list(_ENTRY.finditer(explanation))
    if not entries and (mutation := _MUTATION.search(explanation)):
        image, why = mutation["image"], " ".join(mutation["why"].split())
        reason, remedy, unavailable = _explain_reason(why, image, "its registry")
        return (
            Denial(
                image=image,
                reason=reason,
                remedy=remedy,
                webhook=webhook,
                unavailable=unavailable,
                original=explanation,
            ),
        )
    if not entries and (provider := _PROVIDER.search(explanation)):
        return (replace(_unanswered_denial(provider["why"]), webhook=webhook, original=explanation),)
    if not entries:
        return (Denial(reason=" ".join(explanation.split()).rstrip("."), webhook=webhook, original=explanation),)
    ends = [entry.start() for entry in entries[1:]] + [len(explanation)]
    denials: list[Denial] = []
    for entry, end in zip(entries, ends, strict=True):
        denials += _parse_entry(entry["constraint"], explanation[entry.end() : end].strip(), webhook)
    return tuple(dict.fromkeys(denials))


def add_logged_reason(denial: Denial, log: str) -> Denial:
    """A denial without a verdict with the reason that Ratify's log gives under its trace id; else as it was."""
    for line in _LOGGED.finditer(log):
        if line["trace"] == denial.trace:
            why = " ".join(_REQUEST.sub("", line["why"]).split())
            reason, remedy, unavailable = _explain_reason(why, denial.image, "its registry")
            detail = f" (Ratify's log: {why[:200]})" if reason != why else ""
            return replace(denial, reason=f"{reason}{detail}", remedy=remedy or denial.remedy, unavailable=unavailable)
    return denial


def parse_missing_permission(message: str) -> MissingPermission | None:
    """What RBAC says is not allowed; None when it says something else."""
    match = _FORBIDDEN.search(message)
    if match is None:
        return None
    group = match["group"] or ""
    return MissingPermission(
        user=match["user"],
        verb=match["verb"],
        resource=match["resource"] + (f".{group}" if group else ""),
        namespace=match["namespace"] or "",
    )


def _parse_entry(constraint: str, explanation: str, webhook: str) -> list[Denial]:
    trace_match = _TRACE.search(explanation)
    trace = trace_match["trace"] if trace_match else ""
    text = explanation[: trace_match.start()].rstrip(" (.,") if trace_match else explanation
    base = Denial(reason="", constraint=constraint, webhook=webhook, trace=trace, original=explanation)
    if unanswered_match := _NO_ANSWER.match(text):
        unanswered = replace(
            _unanswered_denial(unanswered_match["why"]), constraint=constraint, webhook=webhook, original=explanation
        )
        return [replace(unanswered, image=image, trace=trace) for image in unanswered_match["images"].split(", ")]
    if match := _UNPINNED.match(text):
        why = f"it has no digest: {match['why']}"
        return [replace(base, image=match["image"], reason=why, remedy=match["remedy"] or "")]
    for pattern in (_IMAGE, _SILENT, _STOCK):
        if match := pattern.match(text):
            image, why = match["image"], " ".join(_NOISE.sub("", match["why"]).split()) or "Ratify gave no reason"
            reason, remedy, unavailable = _explain_reason(why, image, "its registry")
            return [replace(base, image=image, reason=reason, remedy=remedy, unavailable=unavailable)]
    return [replace(base, reason=" ".join(text.split()).rstrip(".")[:500])]


def _unanswered_denial(why: str) -> Denial:
    return Denial(
        reason=f"Ratify could not be asked: {' '.join(_REQUEST.sub('', why).split())[:300]}",
        remedy="Look at the Pods in gatekeeper-system: nothing is admitted while Ratify is away.",
        unavailable=True,
    )


def _explain_reason(why: str, image: str, service: str) -> tuple[str, str, bool]:
    """Reason, remedy, and whether there was no verdict."""
    if "Ratify's cache was being written" in why:
        return RATIFY_BUSY, "Try again in half a minute.", True
    if _BY_POLICY.search(why):
        return why.rstrip("."), f"Do what is named; `s3c policy check {image}` judges as the cluster does.", False
    error = explain(why, CASES, {"image": image, "asked": service}, flags=re.IGNORECASE)
    if error is not None:
        return error.what, error.remedy, isinstance(error, OutsideError)
    return why.rstrip(".")[:500], "", False
