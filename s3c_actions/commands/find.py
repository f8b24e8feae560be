"""`s3c find`: which images hold a package, a licence or a vulnerability, by the signed documents beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.fleet.find import index as indexes
from s3c_actions.fleet.find import query as queries
from s3c_actions.fleet.find import text
from s3c_actions.fleet.find.query import QueryKind
from s3c_actions.options import find as inputs
from s3c_actions.registry import Writer
from s3c_actions.result.model import FindResult, FoundMatch, ImageOutcome, Outcome, UnansweredImage
from s3c_actions.steps import find, sign
from s3c_actions.wiring import finding
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.images import failed
from s3c_actions.wiring.signing import open_signing_key, signing_registry

if TYPE_CHECKING:
    from s3c_actions.fleet.find.query import Query
    from s3c_actions.steps.find import FindTools, ImageAnswer, Subject
    from s3c_actions.steps.sign import SigningKey

NAME = "find"


def run(options: inputs.FindInputs, context: Context) -> Outcome:
    """Answer the query, and make the index anew when that is asked.

    Raises:
        InputError: the query or another input is wrong, or an image that is named does not exist.
        OutsideError: the cluster, the plan's or the index's registry, notation or a vault failed.
    """
    query = _parse_query(options)
    finding.read_policy(options)  # before any registry is asked
    place = finding.index_place(options) if options.index or options.publish_index else None
    wanted, without_digest = finding.list_wanted(options, context)
    registries = finding.list_registries(options, wanted, place)
    with context.progress.step("images") as step:
        subjects = finding.resolve(wanted, signing_registry(options, context, registries))
        step.done(f"{counted(len(subjects.known), 'digest')}")
    unknown = (*without_digest, *subjects.unknown)
    pushed = ""
    collected: tuple[ImageAnswer, ...] = ()
    answers: tuple[ImageAnswer, ...] = ()
    with finding.open_tools(options, context, registries) as tools:
        if place is not None and options.publish_index:
            with open_signing_key(options, context, registries) as key, finding.naming(place):
                pushed, collected = _publish(key, tools, subjects.known, place)
        elif place is not None:
            with finding.naming(place):
                finding.import_index(options, tools)
        if query is not None:
            answers = _ask(query, subjects.known, tools, context)
    result = FindResult(
        query=query.text if query is not None else "",
        images=len(subjects.known) + len(unknown),
        matches=tuple(match for image_answer in answers for match in _matches(image_answer, query)),
        unanswered=(
            *(_unanswered(image_answer) for image_answer in answers if _is_open(image_answer)),
            *(unknown if query is not None else ()),
        ),
        index=pushed,
    )
    return _outcome(result, answers or collected, options, context)


def _parse_query(options: inputs.FindInputs) -> Query | None:
    if not options.query.strip() and options.publish_index and not options.given(inputs.FindInputs.query):
        return None
    return queries.parse(options.query)


def _ask(query: Query, subjects: Sequence[Subject], tools: FindTools, context: Context) -> tuple[ImageAnswer, ...]:
    with context.progress.step("find") as step:
        answers = find.run(query, subjects, tools).images
        holding = sum(1 for image_answer in answers if any(not match.problem for match in image_answer.answer.matches))
        step.done(f"in {holding:,} of {counted(len(answers), 'image')}")
    return answers


def _publish(
    key: SigningKey, tools: FindTools, subjects: Sequence[Subject], place: Reference
) -> tuple[str, tuple[ImageAnswer, ...]]:
    """Make, push and sign the index; return its pinned reference, and the answer on each image."""
    with tools.progress.step("index") as step:
        collected = find.collect(subjects, tools)
        if not collected.records:
            raise OutsideError(
                "There is nothing to make an index of, and none was pushed.",
                cause="None of the images has a document that counts, or none could be read.",
                remedy="Look at what `s3c find` says of them without `publish-index`.",
            )
        index = indexes.build(collected.records, trust=tools.trust, created=format_moment(tools.now))
        digest = indexes.push(index, place, Writer(tools.registry))
        step.done(f"{counted(len(index.records), 'document')}, {place.at(digest).pinned}")
    pinned = place.at(digest).pinned
    sign.run(key, pinned, tools.progress)
    return pinned, collected.images


def _matches(image_answer: ImageAnswer, query: Query | None) -> Iterable[FoundMatch]:
    by_report = query is not None and query.kind is QueryKind.ADVISORY
    for match in image_answer.answer.matches:
        yield FoundMatch(
            **asdict(match),
            image=image_answer.subject.image,
            reference=image_answer.subject.reference.pinned,
            evidence=image_answer.report if by_report else image_answer.sbom,
            owner=image_answer.subject.owner,
            places=image_answer.subject.places,
        )


def _is_open(image_answer: ImageAnswer) -> bool:
    """Return whether an image may hold what was not found in it."""
    return image_answer.failure is not None or bool(
        image_answer.answer.open and all(match.problem for match in image_answer.answer.matches)
    )


def _unanswered(image_answer: ImageAnswer) -> UnansweredImage:
    return UnansweredImage(
        image=image_answer.subject.image,
        reference=image_answer.subject.reference.pinned,
        reasons=(image_answer.failure.what.rstrip("."),)
        if image_answer.failure is not None
        else image_answer.answer.open,
        owner=image_answer.subject.owner,
        places=image_answer.subject.places,
    )


def _outcome(result: FindResult, read: Iterable[ImageAnswer], options: inputs.FindInputs, context: Context) -> Outcome:
    printed = ""
    if result.query:
        printed = text.render_csv(result) if options.format == "csv" else text.render_table(result)
    failures = tuple(
        failed(
            ImageOutcome(image=image_answer.subject.image, reference=image_answer.subject.reference.pinned),
            image_answer.failure,
        )
        for image_answer in read
        if image_answer.failure is not None
    )
    outcome = Outcome(command=NAME, images=failures, find=result, text=printed)
    if options.require_complete and not result.complete:
        refusal = finding.incomplete_error(result)
        context.progress.warning(str(refusal))
        return replace(outcome, error=refusal.what, exit_code=int(refusal.exit_code))
    return outcome
