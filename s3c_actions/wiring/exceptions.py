"""Create, from the options, what signs break-glass exceptions and judges them by the policy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions import __version__
from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted, join_words
from s3c_actions.options.registry import NotationOptions
from s3c_actions.policy import break_glass, model
from s3c_actions.registry import Writer
from s3c_actions.report.render.terminal import plain_line
from s3c_actions.result.model import AttachResult
from s3c_actions.signing import certificates, key_files
from s3c_actions.steps import attach, sign
from s3c_actions.steps.attach import Attachment, AttachTools
from s3c_actions.wiring.judging import open_policy_judge
from s3c_actions.wiring.signing import open_signing_key, registries_of, resolve_images

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from s3c_actions.core.exception_document import ExceptionGrant, Revocation
    from s3c_actions.options.exception import ExceptionSigningOptions
    from s3c_actions.policy.break_glass import JudgedException
    from s3c_actions.policy.model import Policy
    from s3c_actions.steps.judge import PolicyJudge
    from s3c_actions.steps.sign import SigningKey
    from s3c_actions.wiring.context import Context


@dataclass(frozen=True, kw_only=True)
class Granter:
    """What signs exceptions, and what judges them.

    Attributes:
        judge: of the images, by the policy.
        key: of a signer whom the policy lets grant exceptions.
        pinned: image as given → `registry/repository@digest`.
    """

    judge: PolicyJudge
    key: SigningKey
    pinned: Mapping[str, str]


def read_policy(path: Path | None) -> Policy:
    """Read the policy that says who may grant exceptions.

    Raises:
        InputError: it cannot be read, or lets nobody grant one.
    """
    if path is None:
        raise InputError("policy", "none is given.", remedy="Give the path of s3c-policy.yaml.")
    policy = model.read(path)
    if not policy.granters:
        raise InputError(
            "policy",
            f"{path} lets nobody grant exceptions.",
            remedy="Give a signer `may: [grant-exceptions]`, and install the gate with it again.",
        )
    return policy


@contextmanager
def open_granter(options: ExceptionSigningOptions, policy: Policy, context: Context) -> Iterator[Granter]:
    """Open the policy's judge and the key that signs exceptions, and resolve the images that they are for.

    Raises:
        InputError: the key or a certificate of the policy is wrong, the key's signer may not grant exceptions, or an
            image does not exist.
        OutsideError: the registry, the vault or notation failed.
    """
    hosts = registries_of(options.image)
    with (
        open_policy_judge(options, context, policy, hosts) as judge,
        open_signing_key(options, context, hosts) as key,
    ):
        require_granter(judge.policy, key)
        yield Granter(judge=judge, key=key, pinned=resolve_images(options.image, options, context))


def require_granter(policy: Policy, key: SigningKey) -> None:
    """Check, before anything is pushed, that the key belongs to a signer who may grant exceptions.

    Args:
        policy: with the text of its certificates.
        key: that is going to sign.

    Raises:
        InputError: none of the key's certificates is one that such a signer is trusted by.
    """
    trusted = {
        certificates.encode_pem([certificate])
        for signer in policy.granters
        for certificate in key_files.read_chain(signer.certificate_pem.encode(), "policy")
    }
    if any(certificates.encode_pem([certificate]) in trusted for certificate in key.chain):
        return
    granters = join_words([signer.name for signer in policy.granters], "or")
    raise InputError(
        "certificate",
        f"{key.certificate.subject} may not grant exceptions by this policy: {granters} may.",
        remedy="Sign with that key, or let the policy of the target branch and of the gate name this signer.",
    )


def attach_statement(
    statement: ExceptionGrant | Revocation, reference: Reference, key: SigningKey, context: Context
) -> AttachResult:
    """Attach an exception or a revocation to its image, and sign it.

    Raises:
        OutsideError: the registry rejected it, or it could not be signed.
        Refused: the signature does not verify.
    """
    tools = AttachTools(
        registry=key.registry,
        writer=Writer(key.registry),
        sign=lambda pinned: sign.run(key, pinned, context.progress),
        signed=key.signed,
        progress=context.progress,
        pushing=context.limits.pushes,
    )
    attachment = Attachment(
        kind="exception",
        content=statement.encode(),
        created=format_moment(statement.created),
        annotations={artifact_types.VERSION: __version__},
    )
    attached = attach.attach(attachment, attach.find_attach_target(reference, key.registry), tools)
    return AttachResult(reference=reference.pinned, documents=(attached,))


def require_counting(judge: PolicyJudge, reference: Reference, digest: str) -> JudgedException:
    """Return the exception of a digest as the gate judges it.

    Raises:
        Refused: it was attached, and does not count.
        OutsideError: the registry does not list it.
    """
    judged = {exception.digest: exception for exception in judge.exceptions(reference)}
    exception = judged.get(digest)
    if exception is None or not exception.counts:
        reason = exception.ignored if exception is not None else "the registry does not list it"
        raise Refused(
            f"The exception {digest} is beside {reference.pinned}, and does not count: {reason}.",
            cause="The gate would say the same, if it has this policy.",
            remedy="`s3c exception list` shows all of them, with the reason.",
            image=reference.pinned,
        )
    return exception


def describe_exceptions(reference: str, exceptions: Sequence[JudgedException], now: datetime) -> str:
    """Return the exceptions beside an image, as lines."""
    lines = [f"{reference}: {counted(len(exceptions), 'exception') if exceptions else 'no exceptions'}"]
    lines += [f"  {plain_line(break_glass.describe(exception, now))}" for exception in exceptions]
    return "".join(f"{line}\n" for line in lines)


@contextmanager
def open_exception_finder(
    path: Path | None, options: NotationOptions, context: Context, registries: Collection[str]
) -> Iterator[Callable[[str], tuple[str, ...]]]:
    """Open what finds the exceptions that count beside a pinned reference, as clauses; none without a policy for them.

    A registry that fails is a warning: what is looked for decides nothing.

    Raises:
        InputError: the policy is invalid.
        OutsideError: notation could not be obtained, or a vault denied access.
    """
    policy = model.read(path) if path is not None else None
    if policy is None or not policy.granters or not policy.image_signers:
        yield lambda _reference: ()
        return
    with open_policy_judge(options, context, policy, registries) as judge:

        def find(reference: str) -> tuple[str, ...]:
            try:
                exceptions = judge.exceptions(Reference.parse(reference))
            except S3CError as error:
                context.progress.warning(f"{reference}: its break-glass exceptions are not known: {error.what}")
                return ()
            return tuple(break_glass.describe(exception, context.now) for exception in exceptions if exception.counts)

        yield find


def report_exceptions(reference: str, exceptions: Sequence[JudgedException], context: Context) -> tuple[str, ...]:
    """Warn of the exceptions beside an image that count, mention the others, and return the warnings."""
    warnings = []
    for exception in exceptions:
        sentence = f"{reference}: {break_glass.describe(exception, context.now)}"
        if exception.counts:
            context.progress.warning(sentence)
            warnings.append(sentence)
        else:
            context.progress.notice(sentence)
    return tuple(warnings)
