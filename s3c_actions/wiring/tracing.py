"""Create a trace from the options, and write its page and document."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import startup, writing
from s3c_actions.core.text import short_digest
from s3c_actions.options.registry import NotationOptions
from s3c_actions.policy import break_glass, model
from s3c_actions.policy.forecast import describe_changes
from s3c_actions.result.model import TraceResult
from s3c_actions.steps import forecast as step
from s3c_actions.steps.trace import trace
from s3c_actions.steps.trace.tools import SignatureChecker
from s3c_actions.trace import document, page
from s3c_actions.trace.model import AdmissionVerdict, TraceJudgement
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.judging import open_policy_judge

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.steps.trace.tools import TraceTools
    from s3c_actions.trace.model import Trace

    Judging = Callable[[Reference], TraceJudgement]

FORECAST = timedelta(days=30)
"""How far a trace looks ahead."""
PAGE_FILE = "trace.html"
DOCUMENT_FILE = "trace.json"


def prepare() -> None:
    """Import and compile ahead of time, in a thread, what `trace_image` needs."""
    startup.warm("s3c_actions.steps.trace.trace", "s3c_actions.trace.document", then="s3c_actions.trace.page:prepare")


def trace_image(image: str, tools: TraceTools, folder: Path) -> TraceResult:
    """Trace one image, and write its page and the JSON into a folder; raises as `steps.trace.trace.run` does."""
    started = time.monotonic()
    story = trace.run(image, tools)
    files = write_trace(story, folder)
    return TraceResult(reference=story.reference, story=story, files=files, seconds=time.monotonic() - started)


def write_trace(story: Trace, folder: Path) -> dict[str, Path]:
    """Write the page and the JSON into a folder, creating it when needed; return format → path."""
    return {
        "trace": writing.write(folder / PAGE_FILE, page.render(story)),
        "trace-json": writing.write(folder / DOCUMENT_FILE, document.render(story)),
    }


@contextmanager
def open_policy_judging(
    options: NotationOptions, context: Context, path: Path, registries: Collection[str]
) -> Iterator[tuple[SignatureChecker, Judging]]:
    """Open the signature check by the policy's signers, and the judge that gives the verdict of `s3c policy check`."""
    policy = model.read(path)
    with open_policy_judge(options, context, policy, registries) as ready:

        def judge(reference: Reference) -> TraceJudgement:
            judgement = step.run(ready, reference, context.now + FORECAST)
            refusals = judgement.refusals
            return TraceJudgement(
                verdict=AdmissionVerdict.DENIED if refusals else AdmissionVerdict.ADMITTED,
                by=f"the policy {short_digest(policy.digest)}",
                reasons=tuple(refusal.text for refusal in refusals),
                coming=tuple(describe_changes(judgement.forecast)),
                exceptions=tuple(break_glass.describe(exception, context.now) for exception in judgement.exceptions),
            )

        yield SignatureChecker(notation=ready.notation, homes=ready.homes, temp=context.temp), judge
