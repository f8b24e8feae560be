"""`s3c diff`: what changed between two images."""

from __future__ import annotations

from contextlib import ExitStack

from s3c_actions.layers.comparison import compare_images
from s3c_actions.layers.kept_layers import LayerStore
from s3c_actions.options import diff as inputs
from s3c_actions.report import comparison_text
from s3c_actions.report.github import comparison_view
from s3c_actions.result.comparison_entry import comparison_entry
from s3c_actions.result.model import Outcome
from s3c_actions.wiring.cache_stores import open_store
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.image_sources import open_sources


def run(options: inputs.DiffInputs, context: Context) -> Outcome:
    """Compare the images.

    Raises:
        InputError: one of them does not exist, or is no image.
        OutsideError: a registry or Docker failed.
    """
    with context.progress.step("diff") as step, ExitStack() as stack:
        before, after = open_sources(options, context, stack)
        comparison = compare_images(before, after, open_store(LayerStore, context))
        step.done("the same" if comparison.same else "they differ")
    entry = comparison_entry(comparison)
    text = comparison_view.render(entry) if options.format == "markdown" else comparison_text.render(entry)
    return Outcome(command="diff", images=(), text=text, diff=entry)
