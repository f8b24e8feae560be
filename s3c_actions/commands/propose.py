"""`s3c propose`: propose the new digests as a pull request, for repositories that declare what runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.cluster import image_paths, images, manifests
from s3c_actions.cluster.image_paths import ImagePath
from s3c_actions.cluster.images import Replacement
from s3c_actions.core.errors import InputError
from s3c_actions.github import api, proposal
from s3c_actions.github import run as runs
from s3c_actions.options import propose as inputs
from s3c_actions.report.github import comment
from s3c_actions.report.render import escape
from s3c_actions.result.model import Outcome
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.github import find_token
from s3c_actions.wiring.result_files import read

if TYPE_CHECKING:
    from s3c_actions.report.document import ResultDocument

ACTION_SENTENCES = {
    "opened": "opened: {url}",
    "updated": "brought up to date: {url}",
    "unchanged": "says so already: {url}",
    "nothing": "nothing to propose: the manifests have these images",
}


def run(options: inputs.ProposeInputs, context: Context) -> Outcome:
    """Open the pull request, or update the open one.

    Raises:
        InputError: an input, a result or a manifest is wrong: nothing was proposed.
        OutsideError: GitHub rejected a request.
    """
    token = find_token(options, context, "contents: write", "pull-requests: write")
    workflow_run = runs.read_run(context.environment, options.repository)
    results = read(options.results)
    references = [*options.image, *passed_references(results)]
    if not references:
        raise InputError(
            "results" if results else "image",
            "no image in them passed." if results else "this input is required.",
            remedy="Give result.json files, or images by digest.",
        )
    replacements = tuple(Replacement.parse(reference) for reference in references)
    unpinned = next((replacement for replacement in replacements if not replacement.image.digest), None)
    if unpinned is not None:
        raise InputError("image", f"{unpinned.image} has no digest.", remedy="Give what `sign` handed on.")
    paths = image_paths.parse_all(options.image_paths)
    read_manifests = manifests.read(options.manifests, cwd=context.cwd, stdin=_reject_stdin, image_paths=paths)
    changes = {
        _in_repository(file.path, context.cwd): create_rewriter(file.source, replacements, paths)
        for file in read_manifests
    }
    body = comment.render(results, run_url=workflow_run.url) if results else describe_images(references)
    with context.progress.step("propose") as step:
        proposed = proposal.propose(
            api.connect(token, context.environment, context.progress.notice),
            workflow_run.repository,
            proposal.Proposal(
                changes=changes,
                branch=options.branch,
                base=options.base,
                title=options.title,
                body=body,
            ),
        )
        step.done(ACTION_SENTENCES[proposed.action].format(url=proposed.url))
    return Outcome(
        command="propose", images=(), text=f"{proposed.url}\n" if proposed.url else "", pull_request=proposed.url
    )


def passed_references(results: Sequence[ResultDocument]) -> list[str]:
    """Return the references, by digest, of the images in these documents that passed."""
    return list(
        dict.fromkeys(
            image.reference
            for document in results
            for image in document.images
            if image.verdict == "passed" and "@" in image.reference
        )
    )


def create_rewriter(
    source: str, replacements: tuple[Replacement, ...], paths: Sequence[ImagePath] = ()
) -> Callable[[str], str]:
    """Return a function that writes the new images into a manifest's text and keeps everything else.

    Args:
        source: the file, for errors.
        replacements: the new images.
        paths: places of images given by `image-paths`.
    """

    def rewrite(text: str) -> str:
        manifest = manifests.parse(text, source=source, image_paths=paths)
        new = {}
        for use in (*manifest.uses, *manifest.candidates, *manifest.hook_uses):
            replacement = images.find_replacement(use.image, replacements)
            if replacement is not None:
                new[use.image] = replacement.image.at(replacement.image.digest).pinned
        return manifest.mark + manifest.rewritten(new)

    return rewrite


def describe_images(references: Sequence[str]) -> str:
    """Return the body of a pull request without results."""
    return "\n".join(["Images by digest:", "", *(f"- {escape.markdown(reference)}" for reference in references)]) + "\n"


def _in_repository(path: Path | None, checkout: Path) -> str:
    if path is None or not path.resolve().is_relative_to(checkout.resolve()):
        raise InputError(
            "manifests",
            f"{path or 'standard input'} is no file of the checkout in {checkout}.",
            remedy="Run it at the top of the checkout, and give files in it.",
        )
    return path.resolve().relative_to(checkout.resolve()).as_posix()


def _reject_stdin() -> bytes:
    raise InputError("manifests", "standard input is no file of the checkout.", remedy="Give files or folders.")
