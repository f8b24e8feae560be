"""Publish the outcome of a run: console lines, summary, `result.json`, outputs, annotations, comment, folders."""

from __future__ import annotations

import shutil
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
from s3c_actions.options.command import Command

if TYPE_CHECKING:
    from s3c_actions.options.github import CommentingOptions
    from s3c_actions.report.document import ResultDocument
    from s3c_actions.result.model import ImageOutcome, LeftResults, Outcome


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """Publishes the outcome of one run.

    Attributes:
        command: that was run.
        environment: of the process; it names the runner's files.
        console: to show lines on.
        now: the time of the run, with its zone.
        upload: whether to output a folder with the SARIF reports.
        submit: whether to submit the images' packages to GitHub.
        annotations: whether to show the worst findings beside the code.
        comment: the inputs about commenting; None for a command that does not comment.
    """

    command: Command[Any]
    environment: Mapping[str, str]
    console: Console
    now: datetime
    upload: bool = False
    annotations: bool = False
    submit: bool = False
    comment: CommentingOptions | None = None

    def publish(self, outcome: Outcome, output: Path | None, ended: S3CError | None) -> int:
        """Publish an outcome to every destination, and return the exit code.

        Args:
            outcome: of the command.
            output: the folder of its files; None when the command writes none.
            ended: the error that the whole run ended with.
        """
        from s3c_actions.result import outputs

        name = self.command.name
        write_error: S3CError | None = None
        document: ResultDocument | None = None
        try:
            document = self.write(outcome, output, ended)
        except OSError as error:
            write_error = os_errors.translate_output(error, self.environment)
        except InputError as error:
            write_error = error
        if outcome.text:
            self.console.say(outcome.text)
        if ended is not None:
            self.console.error(name, ended)
        deploy_failure = outcome.deploy.failure if outcome.deploy is not None else None
        if deploy_failure is not None and not any(image.failure for image in outcome.images):
            self.console.error(name, deploy_failure)
        for image in outcome.images:
            if image.failure is not None:
                image.failure.image = image.failure.image or image.image
                self.console.error(name, image.failure)
            elif deploy_failure is not None:
                continue
            elif image.reference and not outcome.text:
                self.console.say(image.reference if self.console.quiet else self._done_line(image, outcome, output))
        self._annotate(outcome)
        if write_error is not None:
            self.console.error(name, write_error)
            return max(outputs.exit_code(outcome), int(write_error.exit_code))
        if self.submit:
            self._submit(outcome)
        comment_exit = self._comment(document, output) if document is not None and output is not None else Exit.DONE
        return max(outputs.exit_code(outcome), int(comment_exit))

    def _annotate(self, outcome: Outcome) -> None:
        """Show the worst findings beside the code; after the errors, which count against the same limit."""
        if self.console.actions is None or not self.annotations or self.console.quiet:
            return
        from s3c_actions.report import rendering
        from s3c_actions.report.github import annotations as annotation

        candidates = []
        for image in outcome.images:
            last = image.last_scan
            for scan in (last.parts or (last,)) if last is not None else ():
                refused = scan.refused if image.failure is not None else ()
                candidates += annotation.image_annotations(
                    scan.shown or scan.report,
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

    def _submit(self, outcome: Outcome) -> None:
        """Submit the packages of each image; an error is shown and does not change the verdict."""
        from s3c_actions.github import api, dependency_snapshot
        from s3c_actions.github.run import read_run
        from s3c_actions.report.format_registry import SNAPSHOT
        from s3c_actions.report.formats.sarif import sarif_category
        from s3c_actions.wiring.github import look_up_token

        token = look_up_token(self.comment, self.environment) if self.comment is not None else ""
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
        from s3c_actions.github import files

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
        from s3c_actions.github import files

        if left is not None:
            files.set_outputs({"comment-artifact": left.artifact, "comment-folder": str(left.folder)}, self.environment)

    def _done_line(self, image: ImageOutcome, outcome: Outcome, output: Path | None) -> str:
        from s3c_actions.result import outputs

        deployed = outcome.deploy is not None and not outcome.deploy.unchanged
        nothing_done = "   nothing to do" if outputs.is_skipped(image) and not deployed else ""
        return f"✔ {image.reference}{nothing_done}" + (f"   report: {output / 'summary.md'}" if output else "")

    def write(self, outcome: Outcome, output: Path | None, ended: S3CError | None) -> ResultDocument | None:
        """Write summary, `result.json` and outputs; arguments as in `publish`."""
        from s3c_actions.github import files
        from s3c_actions.result import document as result

        if output is None:
            if self.console.actions is not None:
                files.set_outputs(self._outputs(outcome), self.environment)
                self._output_left(outcome.left)
            return None
        summary_path, result_path = output / "summary.md", output / "result.json"
        from s3c_actions.report.github import summary

        document = result.build_document(outcome, self.now, self.console.secrets, ended)
        markdown = summary.render(document)
        writing.write(summary_path, markdown, errors="backslashreplace")
        writing.write(result_path, result.render_document(document))
        if self.console.actions is not None:
            files.append_summary(markdown, self.environment)
            files.set_outputs(self._outputs(outcome, result_path, summary_path), self.environment)
            files.set_outputs(self._pages(outcome), self.environment)
            if self.upload:
                files.set_outputs({"sarif-folder": self._sarif_folder(outcome)}, self.environment)
        return document

    def _outputs(self, outcome: Outcome, *written: Path) -> dict[str, str]:
        from s3c_actions.result import outputs

        redact = self.console.secrets.redact
        return {name: redact(value) for name, value in outputs.output_values(outcome, *written).items()}

    def _sarif_folder(self, outcome: Outcome) -> str:
        """Create a folder with only the last SARIF report of each image and platform, to upload; empty without any.

        The output folder may also contain the report from before the patch, which has the same category.
        """
        from s3c_actions.report.formats import sarif
        from s3c_actions.result import outputs

        reports = [report for image in outcome.images for report in outputs.sarif_reports(image)]
        if not reports:
            return ""
        folder = Path(tempfile.mkdtemp(prefix="s3c-sarif-", dir=self.environment.get("RUNNER_TEMP") or None))
        for number, report in enumerate(reports):
            (folder / f"{number}.sarif").write_bytes(
                sarif.drop_suppressed(reading.read_file(report, reading.MAX_REPORT_BYTES))
            )
        return str(folder)

    def _pages(self, outcome: Outcome) -> dict[str, str]:
        """Return name and folder of the artifact with the trace page of each image; empty when none was written."""
        from s3c_actions.github import marker

        pages = [(image.image, image.trace.files["trace"]) for image in outcome.images if image.trace is not None]
        if not pages:
            return {}
        folder = Path(tempfile.mkdtemp(prefix="s3c-trace-", dir=self.environment.get("RUNNER_TEMP") or None))
        for _, page in pages:
            shutil.copyfile(page, folder / f"{page.parent.name}.html")
        # Two jobs of a run must not use the same name; the same job run again uses its own.
        key = marker.comment_key(self.environment.get("GITHUB_JOB", ""), *(image for image, _ in pages))
        return {"trace-artifact": f"s3c-trace-{pages[0][1].parent.name}-{key[:8]}", "trace-folder": str(folder)}
