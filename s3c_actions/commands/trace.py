"""`s3c trace`: the story of one or several digests, printed and written as a page and as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.commands import Command, Context, folders
from s3c_actions.commands.sign import notation, registry_of
from s3c_actions.errors import InputError, S3CError
from s3c_actions.inputs import Values
from s3c_actions.inputs import trace as inputs
from s3c_actions.inputs import verify as verifying
from s3c_actions.inputs.common import IMAGE
from s3c_actions.steps.results import ImageOutcome, Outcome, TraceResult

if TYPE_CHECKING:
    from s3c_actions.report.story import Story
    from s3c_actions.steps.trace import Checker

PAGE = "trace.html"
DOCUMENT = "trace.json"


def run(values: Values, context: Context) -> Outcome:
    """Trace every image; one that cannot be traced does not hide the others.

    Raises:
        InputError: an input or the trust store is wrong.
    """
    from s3c_actions.report import story_json, story_text
    from s3c_actions.steps import trace

    started = time.monotonic()
    registry = registry_of(values, context)
    outcomes, texts = [], []
    images: tuple[str, ...] = values[IMAGE]
    places = folders(context.output, dict.fromkeys(images))
    with _checker(values, context) as checker:
        tools = trace.TraceTools(registry=registry, now=context.now, checker=checker)
        for image, folder in places.items():
            begun = time.monotonic()
            with context.progress.step("trace") as step:
                try:
                    story = trace.run(image, tools)
                except S3CError as error:
                    error.image = error.image or image
                    outcomes.append(ImageOutcome(image=image, failure=error))
                    step.done(error.what)
                    continue
                step.done(_sentence(story))
            files = write(story, folder)
            texts.append(
                story_json.render(story)
                if values[inputs.SHOW] == "json"
                else f"{story_text.render(story)}\nThe page: {files['trace']}\n"
            )
            result = TraceResult(reference=story.reference, story=story, files=files, seconds=time.monotonic() - begun)
            outcomes.append(ImageOutcome(image=image, reference=story.reference, trace=result))
    return Outcome(
        command="trace",
        images=tuple(outcomes),
        seconds=time.monotonic() - started,
        text="\n".join(texts),
    )


def write(story: Story, folder: Path) -> dict[str, Path]:
    """Write the page and the JSON into a folder, made when it is not there; returns format → path."""
    from s3c_actions.report import story_json, story_page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_bytes(story_page.render(story))
    (folder / DOCUMENT).write_text(story_json.render(story), encoding="utf-8")
    return {"trace": folder / PAGE, "trace-json": folder / DOCUMENT}


def _sentence(story: Story) -> str:
    signatures = len(story.subject.signatures)
    return f"{story.judgement.verdict.value}, {signatures} signature{'s' * (signatures != 1)}, " + (
        f"{len(story.subject.documents)} documents"
    )


@contextmanager
def _checker(values: Values, context: Context) -> Iterator[Checker | None]:
    """What asks notation; None when nobody said whom to trust."""
    if not values[inputs.OPTIONAL_TRUST_STORE]:
        for one in (verifying.TRUST_POLICY, verifying.TRUSTED_IDENTITY, verifying.TIMESTAMP_ROOTS):
            if values.given(one):
                raise InputError("trust-store", f"it is missing, and {one.name} is given.", remedy="Give both.")
        yield None
        return
    from s3c_actions.commands.verify import trust
    from s3c_actions.steps import verify
    from s3c_actions.steps.trace import Checker

    program = notation(values, context)
    with verify.prepare(trust(values, metadata=False), context.temp, context.progress) as home:
        yield Checker(notation=program, home=home, temp=context.temp)


COMMAND = Command(
    name="trace",
    help="Tells the whole story of a digest from the registry alone: where it came from, what was found, what the "
    "patch changed, who signed what and when, and whether it would be admitted today. Prints it, and writes it as one "
    "self-contained page and as JSON.",
    inputs=inputs.INPUTS,
    run=run,
    examples=(
        "s3c trace registry.example/app:1.2 --trust-store signing-root.crt",
        "s3c trace registry.example/app@sha256:… --format json",
    ),
)
