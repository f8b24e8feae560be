"""Publish the outcome of a run: console lines, summary, `result.json`, outputs, annotations, comment, folders."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.cli import os_errors
from s3c_actions.cli.console import error_lines
from s3c_actions.cli.streams import Console
from s3c_actions.core import reading, writing
from s3c_actions.core.errors import Exit, InputError, S3CError
from s3c_actions.findings.headline import NO_GATE, describe_findings, describe_limits, tally
from s3c_actions.github import files, marker
from s3c_actions.options.command import Command
from s3c_actions.report import rendering
from s3c_actions.report.github import summary
from s3c_actions.report.render.terminal import NEUTRAL_MARK, image_title
from s3c_actions.report.terminal import finding_rows
from s3c_actions.result import document as result
from s3c_actions.result import outputs, pages

if TYPE_CHECKING:
    from s3c_actions.options.github import CommentingOptions, TokenOptions
    from s3c_actions.report.document import ResultDocument
    from s3c_actions.result.model import ImageOutcome, LeftResults, Outcome, ScanResult


MOST_SHOWN = {"scan": 10, "report": 0}
"""How many findings are shown after a command; `report` has shown its table."""


def _title(image: ImageOutcome, outcome: Outcome) -> str:
    """Return the name of an image, in full where two images of the run have the same short name."""
    tag = image.patch.tag if image.patch is not None else ""
    short = [image_title(other.image, "") for other in outcome.images]
    full = short.count(image_title(image.image, "")) > 1
    return image_title(image.image, image.reference, tag=tag, full=full)


def _scan_facts(scan: ScanResult, *, judged: bool) -> list[str]:
    """Return what was found, what was not looked at, and that no gate judged it."""
    numbers = tally(scan.shown)
    unchecked = (scan.blind or scan.overridden) and not numbers.total
    text = "not checked" if unchecked else describe_findings(numbers)
    limits = describe_limits(scan.scope)
    return [f"{text}; {limits}" if limits else text, *([] if judged else [NO_GATE])]


def _is_judged(image: ImageOutcome) -> bool:
    admitted = image.admission is not None and image.admission.verdict == "admitted"
    return image.judged or admitted or (image.judgement is not None and not image.judgement.refusals)


def _mark(image: ImageOutcome) -> str:
    """Return the mark of an image without a failure: green only when a gate judged all of it, or it was not scanned."""
    if image.last_scan is None:
        return "✔"
    if not _is_judged(image) or not tally(image.last_scan.shown).counted:
        return NEUTRAL_MARK
    return "⚠" if image.last_scan.closed else "✔"


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """Publishes the outcome of one run.

    Attributes:
        command: that was run.
        environment: of the process; it names the runner's files.
        console: to show lines on.
        now: the time of the run, with its zone.
        upload: whether to output a folder with the SARIF reports.
        submit: the token to submit the images' packages to GitHub with; None: they are not submitted.
        annotations: whether to show the worst findings beside the code.
        comment: the inputs about commenting; None for a command that does not comment.
    """

    command: Command[Any]
    environment: Mapping[str, str]
    console: Console
    now: datetime
    upload: bool = False
    annotations: bool = False
    submit: TokenOptions | None = None
    comment: CommentingOptions | None = None

    def publish(self, outcome: Outcome, output: Path | None, ended: S3CError | None) -> int:
        """Publish an outcome to every destination, and return the exit code.

        Args:
            outcome: of the command.
            output: the folder of its files; None when the command writes none.
            ended: the error that the whole run ended with.
        """
        name = self.command.name
        write_error: S3CError | None = None
        document: ResultDocument | None = None
        try:
            document = self.write(outcome, output, ended)
        except OSError as error:
            write_error = os_errors.translate_output(error, self.environment)
        except InputError as error:
            write_error = error
        if outcome.text and not self._only_references(outcome):
            self.console.say(outcome.text)
        if ended is not None:
            self.console.error(name, ended)
        deploy_failure = outcome.deploy.failure if outcome.deploy is not None else None
        if deploy_failure is not None and not any(image.failure for image in outcome.images):
            self.console.error(name, deploy_failure)
        for image in outcome.images:
            if not self.console.quiet and (not outcome.text or self.command.name == "report"):
                self._show_image(image, outcome, output)
            if image.failure is not None:
                image.failure.image = image.failure.image or image.image
                self.console.error(name, image.failure)
            elif self.console.quiet and image.reference and deploy_failure is None:
                self.console.say(image.reference)
        self._annotate(outcome)
        if write_error is not None:
            self.console.error(name, write_error)
            return max(outputs.exit_code(outcome), int(write_error.exit_code))
        if self.submit is not None:
            self._submit(self.submit, outcome)
        comment_exit = self._comment(document, output) if document is not None and output is not None else Exit.DONE
        return max(outputs.exit_code(outcome), int(comment_exit))

    def _only_references(self, outcome: Outcome) -> bool:
        """Return whether references are printed alone: when asked to be quiet, of a command that results in some."""
        return self.console.quiet and any(image.reference for image in outcome.images)

    def _annotate(self, outcome: Outcome) -> None:
        """Show the worst findings beside the code; after the errors, which count against the same limit."""
        if self.console.actions is None or not self.annotations or self.console.quiet:
            return
        from s3c_actions.report.github import annotations as annotation

        candidates = []
        for image in outcome.images:
            last = image.last_scan
            for scan in (last.parts or (last,)) if last is not None else ():
                refused = scan.refused if image.failure is not None else ()
                candidates += annotation.image_annotations(
                    scan.shown,
                    scan.rendering or rendering.Rendering(),
                    refused,
                    patched=image.patch is not None,
                )
        for selected in annotation.select_annotations(candidates):
            self.console.actions.annotate(
                selected.level,
                self.console.secrets.redact(selected.text),
                self.console.secrets.redact(selected.title),
                path=selected.path,
                line=selected.line,
            )

    def _submit(self, submit: TokenOptions, outcome: Outcome) -> None:
        """Submit the packages of each image; an error is shown and does not change the verdict."""
        from s3c_actions.github import api, dependency_snapshot
        from s3c_actions.github.run import read_run
        from s3c_actions.report.format_registry import SNAPSHOT
        from s3c_actions.report.formats.sarif import sarif_category
        from s3c_actions.wiring.github import look_up_token

        token = look_up_token(submit, self.environment)
        if not token:
            self.console.progress.warning(
                "The dependencies were not submitted: there is no token for GitHub. Give `github-token`, with the "
                f"permission `{dependency_snapshot.PERMISSION}`."
            )
            return
        self.console.secrets.add(token)
        try:
            run = read_run(self.environment)
            client = api.connect(token, self.environment, self.console.progress.notice)
            for image in outcome.images:
                last = image.last_scan
                for scan in (last.parts or (last,)) if last is not None else ():
                    if SNAPSHOT in scan.files:
                        name = sarif_category(scan.report)
                        taken = dependency_snapshot.submit(client, run, scan.files[SNAPSHOT], name)
                        self.console.progress.note(f"The dependencies of {name} are submitted: snapshot {taken.id}.")
        except S3CError as error:
            self.console.progress.warning(str(error))

    def _comment(self, document: ResultDocument, output: Path) -> Exit:
        """Comment on the pull request, if configured; an error is shown and does not change the verdict."""
        if self.comment is None or self.comment.comment == "off":
            return Exit.DONE
        from s3c_actions.github import delivery

        published = delivery.publish(
            document,
            output / "result.json",
            self.comment,
            self.environment,
            secrets=self.console.secrets,
            progress=self.console.progress,
        )
        if self.console.actions is not None:
            files.set_outputs({"comment-url": "\n".join(published.urls)}, self.environment)
            self._output_left(published.left)
        if published.error is None:
            return Exit.DONE
        if not self.comment.comment_required:
            self.console.progress.warning("\n".join(error_lines(self.command.name, published.error)))
            return Exit.DONE
        self.console.error(self.command.name, published.error)
        return published.error.exit_code

    def _output_left(self, left: LeftResults | None) -> None:
        """Output name and folder of the artifact that another workflow comments from."""
        if left is not None:
            files.set_outputs({"comment-artifact": left.artifact, "comment-folder": str(left.folder)}, self.environment)

    def _show_image(self, image: ImageOutcome, outcome: Outcome, output: Path | None) -> None:
        """Show the outcome of an image in a line, and under it the worst of its findings."""
        failed = image.failure is not None or (outcome.deploy is not None and outcome.deploy.failure is not None)
        last = image.last_scan
        if not image.reference or (failed and last is None):
            return

        facts = [_title(image, outcome)]
        deployed = outcome.deploy is not None and not outcome.deploy.unchanged
        facts += ["nothing to do"] if not failed and outputs.is_skipped(image) and not deployed else []
        reports = outputs.report_files(image)
        page = reports.get("html") or reports.get("table") or (output / "summary.md" if output else None)
        rows: list[str] = []
        if last is not None:
            facts += _scan_facts(last, judged=_is_judged(image))
            rows = finding_rows(
                last.shown, width=self.console.width, most=MOST_SHOWN.get(self.command.name, 5), more=page
            )
        report = page if self.command.name in MOST_SHOWN else output / "summary.md" if output else None
        facts += [f"report: {report}"] if report is not None else []
        line = f"{'✘' if failed else _mark(image)} {'   '.join(facts)}"
        if rows:
            self.console.say_in_group(line, "\n".join(rows))
        else:
            self.console.say(line)

    def write(self, outcome: Outcome, output: Path | None, ended: S3CError | None) -> ResultDocument | None:
        """Write summary, `result.json` and outputs; arguments as in `publish`."""
        if output is None:
            if self.console.document_only:
                document = result.build_document(outcome, self.now, self.console.secrets, ended)
                self.console.say_document(result.render_document(document))
            if self.console.actions is not None:
                files.set_outputs(self._outputs(outcome), self.environment)
                self._output_left(outcome.left)
            return None
        summary_path, result_path = output / "summary.md", output / "result.json"

        document = result.build_document(outcome, self.now, self.console.secrets, ended)
        text = result.render_document(document)
        if self.console.document_only:
            # First: a file that cannot be written is an error of its own, beside the result.
            self.console.say_document(text)
        markdown = self.console.secrets.redact(outcome.summary) or summary.render(document)
        # Only the file lies beside the pages: GitHub's job summary does not.
        files_of_run = [(image.image, pages.page_links(image, output)) for image in outcome.images]
        writing.write(summary_path, markdown + summary.render_links(files_of_run), errors="backslashreplace")
        pages.link_pages(outcome, summary_path)
        writing.write(result_path, text)
        if self.console.actions is not None:
            files.append_summary(markdown, self.environment)
            files.set_outputs(self._outputs(outcome, result_path, summary_path), self.environment)
            files.set_outputs(self._pages(outcome), self.environment)
            if self.upload:
                files.set_outputs({"sarif-folder": self._sarif_folder(outcome)}, self.environment)
        return document

    def _outputs(self, outcome: Outcome, *written: Path) -> dict[str, str]:
        redact = self.console.secrets.redact
        return {name: redact(value) for name, value in outputs.output_values(outcome, *written).items()}

    def _sarif_folder(self, outcome: Outcome) -> str:
        """Create a folder with only the last SARIF report of each image and platform, to upload; empty without any.

        The output folder may also contain the report from before the patch, which has the same category.
        """
        reports = [report for image in outcome.images for report in outputs.sarif_reports(image)]
        if not reports:
            return ""
        from s3c_actions.report.formats import sarif

        folder = Path(tempfile.mkdtemp(prefix="s3c-sarif-", dir=self.environment.get("RUNNER_TEMP") or None))
        for number, report in enumerate(reports):
            (folder / f"{number}.sarif").write_bytes(
                sarif.drop_suppressed(reading.read_file(report, reading.MAX_REPORT_BYTES))
            )
        return str(folder)

    def _pages(self, outcome: Outcome) -> dict[str, str]:
        """Return name and folder of the artifact with the trace page of each image; empty when none was written."""
        traced = [(image, image.trace) for image in outcome.images if image.trace is not None]
        if not traced:
            return {}
        from s3c_actions.trace import page as trace_page

        folder = Path(tempfile.mkdtemp(prefix="s3c-trace-", dir=self.environment.get("RUNNER_TEMP") or None))
        names = [trace.files["trace"].parent.name for _, trace in traced]
        for name, (_, trace) in zip(names, traced, strict=True):
            # Without links: the artifact has no other page.
            (folder / f"{name}.html").write_bytes(trace_page.render(trace.story))
        # Two jobs of a run must not use the same name; the same job run again uses its own.
        key = marker.comment_key(self.environment.get("GITHUB_JOB", ""), *(image.image for image, _ in traced))
        return {"trace-artifact": f"s3c-trace-{names[0]}-{key[:8]}", "trace-folder": str(folder)}
