"""`s3c doctor`: check what the other commands need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from s3c_actions.core.errors import Exit
from s3c_actions.options import doctor as inputs
from s3c_actions.result.model import CheckFacts, Outcome
from s3c_actions.steps import doctor
from s3c_actions.steps.doctor import Status
from s3c_actions.wiring import diagnosing
from s3c_actions.wiring.context import Context

SIGNS: Mapping[str, str] = {Status.PASSED: "✔", Status.FAILED: "✘", Status.NOT_CONFIGURED: "–"}


def run(options: inputs.DoctorInputs, context: Context) -> Outcome:
    """Run every check; exit code 3 when one has failed.

    Raises:
        InputError: an input is wrong.
    """
    checks = diagnosing.create_checks(options, context)
    with context.progress.step("doctor") as step:
        results = doctor.run(checks, options.timeout)
        failures = sum(result.status is Status.FAILED for result in results)
        step.done(f"{len(results)} checks, {failures} failed")
    code = Exit.OUTSIDE_FAILED if failures else Exit.DONE
    return Outcome(command="doctor", images=(), checks=results, text=render(results), exit_code=int(code))


def render(results: Sequence[CheckFacts]) -> str:
    """Return a line for each result, and one for its remedy."""
    width = max(len(result.name) for result in results)
    lines = []
    for result in results:
        lines.append(f"{SIGNS[result.status]} {result.name:<{width}}  {_one_line(result.text)}")
        if result.remedy:
            lines.append(f"  {'':<{width}}  → {_one_line(result.remedy)}")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())
