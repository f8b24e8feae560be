"""Which break-glass exceptions beside an image count, and why the others do not; evidence.rego decides the same.

An exception excuses findings and nothing else: no signature, no report that is missing, stale or too narrow, no refused
package or licence, and no finding that the policy denies by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from s3c_actions.core import exception_document as document_form
from s3c_actions.core.exception_document import ALL, ExceptionGrant, Revocation
from s3c_actions.core.moments import CLOCK_SKEW, format_moment
from s3c_actions.core.text import first_names
from s3c_actions.policy.model import Policy

MOST = 50
"""So many documents are read beside an image; when there are more, none counts."""
_UNREAD = "another one cannot be read, and may revoke it"
_SAME = "it says the same as"


class ExceptionDocument(Struct, frozen=True, kw_only=True):
    """A document beside an image that is an exception or a revocation by its type.

    Attributes:
        digest: of its manifest.
        content: None when it was not fetched.
        signed: whether anybody signed it.
        granter: name of the policy's signer who signed it and may grant exceptions; empty for another.
    """

    digest: str
    content: bytes | None = None
    signed: bool = False
    granter: str = ""


class JudgedException(Struct, frozen=True, kw_only=True):
    """An exception beside an image.

    Attributes:
        digest: of its manifest.
        grant: what it says; None when it cannot be read. Of one that does not count, nobody may have said it.
        granter: name of the signer who granted it.
        ignored: a clause on why it does not count; empty when it does.
    """

    digest: str
    grant: ExceptionGrant | None
    granter: str
    ignored: str

    @property
    def counts(self) -> bool:
        """Return whether it excuses findings now."""
        return not self.ignored

    @property
    def may_count(self) -> bool:
        """Return whether it excuses findings now, or will once another document beside the image is gone or revoked."""
        return self.counts or self.ignored == _UNREAD or self.ignored.startswith(_SAME)


def judge_exceptions(
    policy: Policy, documents: Sequence[ExceptionDocument], subject: str, now: datetime
) -> tuple[JudgedException, ...]:
    """Return the exceptions beside an image, ordered by digest; revocations are not among them.

    Args:
        policy: says who may grant exceptions, and for how long.
        documents: with who signed those that `to_verify` names.
        subject: digest of the image.
        now: the time of the decision.
    """
    decoded = _decode(policy, documents)
    revoked = {
        digest
        for document in documents
        if document.granter and isinstance(revocation := decoded[document.digest], Revocation)
        if revocation.subject == subject
        for digest in revocation.revokes
    }
    # A revocation that the registry does not hand out, or of a later version, is a revocation all the same.
    unread = any(document.granter and decoded[document.digest] is None for document in documents)
    judged: dict[str, JudgedException] = {}
    for document in sorted(documents, key=lambda document: document.digest):
        grant = decoded[document.digest]
        if isinstance(grant, Revocation):
            continue
        reason = _content_fault(policy, grant, len(documents), subject, now)
        if not reason and not document.signed:
            reason = "it is not signed"
        elif not reason and not document.granter:
            reason = "it is signed by nobody whom the policy lets grant exceptions"
        elif not reason and document.digest in revoked:
            reason = "it was revoked"
        elif not reason and unread:
            reason = _UNREAD
        same = [exception.digest for exception in judged.values() if exception.counts and exception.grant == grant]
        if not reason and same and same[0] != document.digest:
            reason = f"{_SAME} {same[0][:19]}"
        judged[document.digest] = JudgedException(
            digest=document.digest, grant=grant, granter=document.granter, ignored=reason
        )
    return tuple(judged.values())


def to_verify(policy: Policy, documents: Sequence[ExceptionDocument], subject: str, now: datetime) -> frozenset[str]:
    """Return the digests of the documents whose signatures matter: every verification is a run of notation."""
    decoded = _decode(policy, documents)
    grants = {
        digest
        for digest, grant in decoded.items()
        if not isinstance(grant, Revocation) and not _content_fault(policy, grant, len(documents), subject, now)
    }
    revocations = {
        digest
        for digest, revocation in decoded.items()
        if grants
        and (
            revocation is None
            or (
                isinstance(revocation, Revocation)
                and revocation.subject == subject
                and not grants.isdisjoint(revocation.revokes)
            )
        )
    }
    return frozenset(grants | revocations)


def _decode(policy: Policy, documents: Sequence[ExceptionDocument]) -> Mapping[str, ExceptionGrant | Revocation | None]:
    """Return digest → what the document says; nothing where none can count, as they are not fetched then."""
    if len(documents) > MOST or not policy.granters:
        return dict.fromkeys(document.digest for document in documents)
    return {document.digest: document_form.decode(document.content) for document in documents}


def _content_fault(
    policy: Policy, grant: ExceptionGrant | Revocation | None, total: int, subject: str, now: datetime
) -> str:
    """Return why an exception does not count, whoever signed it; empty when that is for its signer to decide."""
    if total > MOST:
        return f"there are more than {MOST}"
    if not policy.granters:
        return "the policy lets nobody grant exceptions"
    if not isinstance(grant, ExceptionGrant):
        return "it cannot be read"
    if grant.subject != subject:
        return "it is for another image"
    return _time_fault(policy, grant, now)


def _time_fault(policy: Policy, grant: ExceptionGrant, now: datetime) -> str:
    if grant.until - grant.created > policy.longest_grant:
        return f"it lasts longer than {policy.break_glass.maximum}"
    if grant.created - CLOCK_SKEW > now:
        return f"it is dated {format_moment(grant.created)}, which is still to come"
    if grant.until <= now:
        return f"it ended at {format_moment(grant.until)}"
    return ""


def excuses(policy: Policy, exceptions: Iterable[JudgedException], finding: str) -> bool:
    """Return whether one of the exceptions excuses a finding, named by its identifier."""
    if finding.upper() in {denied.upper() for denied in policy.findings.deny}:
        return False
    return any(
        ALL in exception.grant.findings or finding in exception.grant.findings
        for exception in exceptions
        if exception.counts and exception.grant is not None
    )


def excuses_unlisted(policy: Policy, exceptions: Iterable[JudgedException]) -> bool:
    """Return whether findings are excused that a report had no room for: whether `deny` names them is not known."""
    return not policy.findings.deny and any(
        ALL in exception.grant.findings for exception in exceptions if exception.counts and exception.grant is not None
    )


def describe(exception: JudgedException, now: datetime) -> str:
    """Return an exception as a clause for people: what it excuses and for how long still, or why it does not count.

    Who and why are what its signer wrote: untrusted text.
    """
    name = f"exception {exception.digest[:19]}"
    if exception.grant is None or not exception.counts:
        return f"{name} does not count: {exception.ignored}"
    grant = exception.grant
    excused = "all findings" if ALL in grant.findings else first_names(grant.findings)
    return (
        f"{name} excuses {excused}, {describe_left(grant.until - now)} left (until {format_moment(grant.until)}), "
        f"by {grant.who} (signer {exception.granter}): {grant.why}"
    )


def describe_left(left: timedelta) -> str:
    """Return a time that is left, in the units that matter: `23 h 5 min`, `4 min`, `40 s`."""
    seconds = max(0, int(left.total_seconds()))
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
