"""One command from its arguments to its exit code: inputs, console, context, result, outputs, errors.

Everything it uses is an argument, so that a test gives it another environment and other streams.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import msgspec
from msgspec.structs import replace

from s3c_actions import __version__, options
from s3c_actions.cli import parser
from s3c_actions.cli.console import LogProgress, QuietProgress, TerminalProgress, error_lines
from s3c_actions.commands import Command, load
from s3c_actions.core import folders, hidden, pasted, reading, tempdir, writing
from s3c_actions.core.errors import Exit, InputError, OutsideError, S3CError
from s3c_actions.core.process import Runner, Secrets
from s3c_actions.options import github as commenting
from s3c_actions.options.common import ANNOTATIONS, DEBUG, OUTPUT_DIR, QUIET, UPLOAD_SARIF, VERBOSE
from s3c_actions.report.render.terminal import plain
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.core.progress import Progress
    from s3c_actions.findings.scope import SettingsFile
    from s3c_actions.github.log import ActionsProgress
    from s3c_actions.options import Input, Values
    from s3c_actions.report.document import ResultDocument
    from s3c_actions.result.gate_change import GateChange
    from s3c_actions.result.model import ImageOutcome, LeftResults, Outcome
    from s3c_actions.wiring.target_files import Governed

T = TypeVar("T")

_SETTINGS = frozenset({"ignore-files", "policy", "trust-store", "trust-policy"})
"""Inputs that `commands.settings_files` is about: a command without any is spared its import."""


class Console(msgspec.Struct):
    """Where everything shown goes.

    Attributes:
        stdout, stderr: results go to the one, everything else to the other.
        progress: what steps tell; `actions` is the same one when it is the log of GitHub Actions.
        secrets: hidden in everything shown.
    """

    stdout: TextIO
    stderr: TextIO
    progress: Progress
    secrets: Secrets
    actions: ActionsProgress | None = None
    quiet: bool = False
    debug: bool = False

    def say(self, text: str) -> None:
        """Lines of a result, as they are but for control characters; untrusted."""
        self._lines(text, self.stdout)

    def complain(self, text: str) -> None:
        """Lines that tell of trouble; untrusted."""
        self._lines(text, self.stderr)

    def error(self, command: str, error: S3CError) -> None:
        """An error in the house's form; an annotation too under GitHub Actions."""
        lines = [self.secrets.redact(line) for line in error_lines(command, error)]
        if self.debug:
            self.complain("".join(traceback.format_exception(error)))
        if self.actions is not None:
            self.actions.annotate("error", "\n".join(lines), title=f"s3c {command}".strip())
        else:
            self.complain("\n".join(lines))

    def bug(self, command: str, error: BaseException) -> None:
        """A traceback and the versions, for a report."""
        what = f"s3c {command}: this is a bug of s3c {__version__}; please report it with what stands above."
        versions = f"s3c {__version__}, {_machine()}"
        self.complain("".join(traceback.format_exception(error)) + versions)
        if self.actions is not None:
            self.actions.annotate("error", what)
        else:
            self.complain(what)

    def close(self) -> None:
        """Nothing more is shown."""
        if self.actions is not None:
            self.actions.close()
        self.stdout.flush()

    def _lines(self, text: str, stream: TextIO) -> None:
        text = self.secrets.redact(text)
        if self.actions is not None:
            self.actions.print(text)
        else:
            stream.write("".join(f"{plain(line, 20_000)}\n" for line in text.splitlines()))
            stream.flush()


def run(name: str, argv: Sequence[str], environment: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Run one command.

    Args:
        name: of the command, as typed.
        argv: its arguments.
        environment: the process's.
        stdout: where results go.
        stderr: where everything else goes.

    Returns:
        The exit code, see `errors.Exit`.
    """
    console = _console(environment, stdout, stderr)
    try:
        command = load(parser.command_name(name))
        flags = parser.read(command, argv)
        if flags is None:
            stdout.write(parser.help_text(command))
            return Exit.DONE
        shown = options.resolve(parser.EVERYWHERE, flags, environment, console.progress.notice)
        debug = shown[DEBUG] or environment.get("RUNNER_DEBUG") == "1"
        console = _console(
            environment, stdout, stderr, quiet=shown[QUIET], verbose=shown[VERBOSE] or debug, debug=debug
        )
    except S3CError as error:
        console.error(name if isinstance(error, InputError) and error.field != "command" else "", error)
        return int(error.exit_code)
    except OSError:
        raise  # standard output: `__main__` tells it
    except Exception as error:
        console.bug(name, error)
        return Exit.BUG
    else:
        return _Run(command, flags, environment, console).run()
    finally:
        console.close()


def _console(
    environment: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
    *,
    quiet: bool = False,
    verbose: bool = False,
    debug: bool = False,
) -> Console:
    if environment.get("GITHUB_ACTIONS") == "true":
        from s3c_actions.github.log import ActionsProgress, ActionsSecrets

        actions = ActionsProgress(stdout, quiet=quiet)
        masks = ActionsSecrets(actions)
        actions.redact = masks.redact
        return Console(stdout, stderr, actions, masks, actions, quiet, debug)
    progress: Progress
    secrets = Secrets()
    stream = cast(TextIO, _Redacting(stderr, secrets))
    if quiet:
        progress = QuietProgress(stream)
    elif stderr.isatty() and not environment.get("CI") and environment.get("TERM") != "dumb":
        progress = TerminalProgress(stream, color=not environment.get("NO_COLOR"), verbose=verbose)
    else:
        progress = LogProgress(stream, verbose=verbose)
    return Console(stdout, stderr, progress, secrets, quiet=quiet, debug=debug)


class _Redacting:
    """A stream that hides secrets in what is written to it."""

    def __init__(self, stream: TextIO, secrets: Secrets) -> None:
        self._stream, self._secrets = stream, secrets

    def write(self, text: str) -> int:
        """Write it without the secrets in it."""
        return self._stream.write(self._secrets.redact(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Run(msgspec.Struct):
    command: Command
    flags: Mapping[str, str]
    environment: Mapping[str, str]
    console: Console
    upload: bool = False
    annotations: bool = False
    comment: Values | None = None
    settings: tuple[SettingsFile, ...] = ()
    changes: tuple[GateChange, ...] = ()
    now: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def run(self) -> int:
        """Do it, and tell what came of it: the reports are written whatever happens."""
        try:
            root = writing.workspace(self.environment, _here())
        except S3CError:  # there is no working folder, which `_run` tells
            return self._run()
        with writing.guarding(root):
            return self._run()

    def _run(self) -> int:
        from s3c_actions.result.model import Outcome

        started = time.monotonic()
        output: Path | None = None
        ended: S3CError | None = None
        try:
            self._hide()
            _here()
            if OUTPUT_DIR in self.command.inputs:
                output = _made(self._own(OUTPUT_DIR))
            self.upload = self._own(UPLOAD_SARIF)
            if self.command.comments:
                self.annotations = self._own(ANNOTATIONS)
                self.comment = options.resolve(
                    commenting.COMMENTING, self.flags, self.environment, self.console.progress.notice
                )
            outcome = self._shortened(self._outcome(output))
        except S3CError as error:
            ended = error
        except OSError as error:
            ended = _translated(error) or _in_the_way(error, output)
            if ended is None:
                return self._bug(error, output, started)
        except Exception as error:
            return self._bug(error, output, started)
        if ended is not None:
            self._shorten(ended)
            outcome = Outcome(command=self.command.name, images=(), exit_code=int(ended.exit_code), error=ended.what)
        outcome = replace(outcome, seconds=time.monotonic() - started)
        outcome = replace(outcome, settings=self.settings, gate_changes=self.changes)
        try:
            return self._tell(outcome, output, ended)
        except BrokenPipeError:
            raise
        except OSError as error:
            full = _translated(error)
            if full is None:
                return self._bug(error, output, started)
            self.console.error(self.command.name, full)
            return int(full.exit_code)
        except Exception as error:
            # Uncaught it would end in Python's own exit code 1, which here means that the policy said no.
            return self._bug(error, output, started)

    def _taken(self) -> tuple[Input[Any], ...]:
        """Every input that this command has, the shell's own among them."""
        own = (*parser.EVERYWHERE, ANNOTATIONS, UPLOAD_SARIF)
        return (*self.command.inputs, *own, *(commenting.COMMENTING if self.command.comments else ()))

    def _hide(self) -> None:
        """Hide every secret before anything is done with an input: also those that stand where none belongs."""
        secrets = self.console.secrets
        for value in hidden.of_environment(self.environment):
            secrets.add(value)
        for one, text in options.texts(self._taken(), self.flags, self.environment):
            if one.secret:
                secrets.add(text)
            elif (kind := one.content(text)) in one.takes and kind == pasted.KUBECONFIG:
                for value in pasted.secrets_of_kubeconfig(pasted.kubeconfig(text)):
                    secrets.add(value)
            elif pasted.is_secret(kind):
                secrets.add_content(text)

    def _for_programs(self) -> dict[str, str]:
        """The environment without secret inputs, of whatever command, and without content given in place of a path."""
        without = {options.variable(name) for name in hidden.INPUTS}
        for one in self._taken():
            names = [options.variable(name) for name in (one.name, *one.aliases)] if not one.secret else []
            without.update(name for name in names if one.content(self.environment.get(name, "")))
        return {name: text for name, text in self.environment.items() if name not in without}

    def _shorten(self, error: S3CError) -> None:
        """Cut what was given, and stands in an error, to the length that messages show."""
        cut = self._cuts()
        error.what, error.cause, error.remedy, error.original = map(
            cut, (error.what, error.cause, error.remedy, error.original)
        )
        error.args = (error.what,)

    def _shortened(self, outcome: Outcome) -> Outcome:
        """The outcome with its errors cut as `_shorten` does."""
        failures = [one.failure for one in outcome.images]
        for failure in (*failures, outcome.deploy.failure if outcome.deploy is not None else None):
            if failure is not None:
                self._shorten(failure)
        return replace(outcome, error=self._cuts()(outcome.error))

    def _cuts(self) -> Callable[[str], str]:
        given: dict[str, str] = {}
        for one, text in options.texts(self._taken(), self.flags, self.environment):
            given.update(one.cuts(text))

        def cut(text: str) -> str:
            for long in sorted(given, key=len, reverse=True):
                text = text.replace(long, given[long])
            return pasted.without_kept(text)

        return cut

    def _own(self, one: Input[T]) -> T:
        """An input that the shell itself uses."""
        return options.resolve((one,), self.flags, self.environment, lambda _old: None)[one]

    def _outcome(self, output: Path | None) -> Outcome:
        environment = self._for_programs()
        progress = self.console.progress
        cache = folders.cache_folder(environment)
        if cache.notice:
            progress.notice(cache.notice)
        seen = folders.for_programs(environment, folders.working_folder())
        with tempdir.folder(_place(environment)) as temp:
            values = options.resolve(
                self.command.inputs, self.flags, self.environment, progress.notice, partial(_keep, temp)
            )
            context = Context(
                environment=environment,
                runner=Runner(
                    {**seen, "TMPDIR": str(temp)},
                    self.console.secrets,
                    echo=lambda line: progress.note(f"$ {line}"),
                    meanwhile=_summary_ahead,
                ),
                progress=progress,
                secrets=self.console.secrets,
                output=output or Path(),
                cache=cache.path,
                temp=temp,
                cwd=_here(),
                now=self.now,
            )
            return self.command.run(self._settled(values, context), context)

    def _settled(self, values: Values, context: Context) -> Values:
        """The values, with the files that have a say in them; those are listed from here on."""
        declared = self.command.inputs
        if not _SETTINGS.intersection(one.name for one in declared):
            return values
        from s3c_actions.wiring import settings_files

        governed = self._governed(values, context)
        values = settings_files.with_defaults(governed.values, declared, context.cwd)
        proposed = governed.proposed
        if proposed is not None:
            proposed = settings_files.with_defaults(proposed, declared, context.cwd)
        settings_files.share(context, settings_files.OfRun(names=governed.names, proposed=proposed))
        self.changes = governed.changes
        self.settings = settings_files.listed(values, declared, context.cwd, governed.names)
        return values

    def _governed(self, values: Values, context: Context) -> Governed:
        """The values with the files of the branch that a pull request goes to; outside of one as they are."""
        from s3c_actions.wiring import target_files

        if not self.environment.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
            return target_files.Governed(values=values)
        from s3c_actions.github import target_branch

        progress = self.console.progress
        gating = options.resolve(commenting.GATING, {}, self.environment, progress.notice)
        branch = target_branch.of(self.environment, lambda: self._token(gating), progress.notice)
        if branch is None:
            return target_files.Governed(values=values)
        checkout = target_files.Checkout(
            workspace=Path(self.environment.get("GITHUB_WORKSPACE") or context.cwd),
            repository=self.environment.get("GITHUB_REPOSITORY", ""),
            cwd=context.cwd,
        )
        label = gating[commenting.GATE_LABEL]
        governed = target_files.govern(values, self.command.inputs, checkout, branch, label=label, temp=context.temp)
        for change in governed.changes:
            progress.warning(target_files.sentence(change, branch.name, label))
        return governed

    def _token(self, gating: Values) -> str:
        """The token to read the target branch with."""
        names = ("GITHUB_TOKEN", "GH_TOKEN")
        token = gating[commenting.TOKEN] or next(filter(None, map(self.environment.get, names)), "")
        if not token:
            raise OutsideError(
                "The target branch's files could not be read: there is no token for GitHub.",
                cause="On a pull request the files that decide its gate are compared with the target branch's.",
                remedy="Give `github-token`, with the permission `contents: read`.",
            )
        self.console.secrets.add(token)
        return token

    def _tell(self, outcome: Outcome, output: Path | None, ended: S3CError | None) -> int:
        from s3c_actions.result import outputs

        name = self.command.name
        unwritten: S3CError | None = None
        document: ResultDocument | None = None
        try:
            document = self._write(outcome, output, ended)
        except OSError as error:
            unwritten = _unwritable(error, self.environment)
        except InputError as error:
            unwritten = error
        if outcome.text:
            self.console.say(outcome.text)
        if ended is not None:
            self.console.error(name, ended)
        stopped = outcome.deploy.failure if outcome.deploy is not None else None
        if stopped is not None and not any(image.failure for image in outcome.images):
            self.console.error(name, stopped)
        for image in outcome.images:
            if image.failure is not None:
                image.failure.image = image.failure.image or image.image
                self.console.error(name, image.failure)
            elif stopped is not None:
                continue
            elif image.reference and not outcome.text:
                self.console.say(image.reference if self.console.quiet else self._done(image, outcome, output))
        self._annotate(outcome)
        if unwritten is not None:
            self.console.error(name, unwritten)
            return max(outputs.exit_code(outcome), int(unwritten.exit_code))
        commented = self._commented(document, output) if document is not None and output is not None else Exit.DONE
        return max(outputs.exit_code(outcome), int(commented))

    def _annotate(self, outcome: Outcome) -> None:
        """Show the worst findings beside the code; after the errors, whose allowance they share."""
        if self.console.actions is None or not self.annotations or self.console.quiet:
            return
        from s3c_actions.report import formats
        from s3c_actions.report.github import annotations as annotation

        found = []
        for image in outcome.images:
            last = image.last_scan
            for scan in (last.parts or (last,)) if last is not None else ():
                refused = scan.refused if image.failure is not None else ()
                found += annotation.of(
                    scan.shown or scan.report,
                    scan.rendering or formats.Rendering(),
                    refused,
                    patched=image.patch is not None,
                )
        for one in annotation.most(found):
            self.console.actions.annotate(
                one.level,
                self.console.secrets.redact(one.text),
                self.console.secrets.redact(one.title),
                path=one.path,
                line=one.line,
            )

    def _commented(self, document: ResultDocument, output: Path) -> Exit:
        """Comment on the pull request, when asked; what goes wrong there is told, and no verdict."""
        from s3c_actions.github import files

        if self.comment is None or self.comment[commenting.COMMENT] == "off":
            return Exit.DONE
        from s3c_actions.github import delivery

        told = delivery.publish(
            document,
            output / "result.json",
            self.comment,
            self.environment,
            secrets=self.console.secrets,
            progress=self.console.progress,
        )
        if self.console.actions is not None:
            files.set_outputs({"comment-url": "\n".join(told.urls)}, self.environment)
            self._left_for_a_comment(told.left)
        if told.error is None:
            return Exit.DONE
        if not self.comment[commenting.COMMENT_REQUIRED]:
            self.console.progress.warning("\n".join(error_lines(self.command.name, told.error)))
            return Exit.DONE
        self.console.error(self.command.name, told.error)
        return told.error.exit_code

    def _left_for_a_comment(self, left: LeftResults | None) -> None:
        """Name and folder of the artifact that another workflow comments from."""
        from s3c_actions.github import files

        if left is not None:
            files.set_outputs({"comment-artifact": left.artifact, "comment-folder": str(left.folder)}, self.environment)

    def _done(self, image: ImageOutcome, outcome: Outcome, output: Path | None) -> str:
        from s3c_actions.result import outputs

        deployed = outcome.deploy is not None and not outcome.deploy.unchanged
        nothing = "   nothing to do" if outputs.skipped(image) and not deployed else ""
        return f"✔ {image.reference}{nothing}" + (f"   report: {output / 'summary.md'}" if output else "")

    def _write(self, outcome: Outcome, output: Path | None, ended: S3CError | None) -> ResultDocument | None:
        from s3c_actions.github import files
        from s3c_actions.result import document as result

        if output is None:
            if self.console.actions is not None:
                files.set_outputs(self._outputs(outcome), self.environment)
                self._left_for_a_comment(outcome.left)
            return None
        summary, facts = output / "summary.md", output / "result.json"
        from s3c_actions.report.github import summary as rendering

        document = result.document(outcome, self.now, self.console.secrets, ended)
        markdown = rendering.render(document)
        writing.write(summary, markdown, errors="backslashreplace")
        writing.write(facts, result.text(document))
        if self.console.actions is not None:
            files.append_summary(markdown, self.environment)
            files.set_outputs(self._outputs(outcome, facts, summary), self.environment)
            files.set_outputs(self._pages(outcome), self.environment)
            if self.upload:
                files.set_outputs({"sarif-folder": self._sarif_folder(outcome)}, self.environment)
        return document

    def _outputs(self, outcome: Outcome, *written: Path) -> dict[str, str]:
        from s3c_actions.result import outputs

        redact = self.console.secrets.redact
        return {name: redact(value) for name, value in outputs.values(outcome, *written).items()}

    def _sarif_folder(self, outcome: Outcome) -> str:
        """A folder with the last SARIF report of each image and platform alone, to upload; empty without any.

        The output folder may also hold the one from before the patch, which has the same category.
        """
        from s3c_actions.report.formats import sarif
        from s3c_actions.result import outputs

        reports = [report for image in outcome.images for report in outputs.sarif(image)]
        if not reports:
            return ""
        folder = Path(tempfile.mkdtemp(prefix="s3c-sarif-", dir=self.environment.get("RUNNER_TEMP") or None))
        for number, report in enumerate(reports):
            (folder / f"{number}.sarif").write_bytes(sarif.uploadable(reading.content(report, reading.REPORTS)))
        return str(folder)

    def _pages(self, outcome: Outcome) -> dict[str, str]:
        """Name and folder of the artifact with the page of each image's story; empty when none was written."""
        from s3c_actions.github import marker

        told = [(image.image, image.trace.files["trace"]) for image in outcome.images if image.trace is not None]
        if not told:
            return {}
        folder = Path(tempfile.mkdtemp(prefix="s3c-trace-", dir=self.environment.get("RUNNER_TEMP") or None))
        for _, page in told:
            shutil.copyfile(page, folder / f"{page.parent.name}.html")
        # Two jobs of a run must not take each other's name; the same job run again takes its own.
        key = marker.key(self.environment.get("GITHUB_JOB", ""), *(image for image, _ in told))
        return {"trace-artifact": f"s3c-trace-{told[0][1].parent.name}-{key[:8]}", "trace-folder": str(folder)}

    def _bug(self, error: Exception, output: Path | None, started: float) -> int:
        from s3c_actions.result.model import Outcome

        what = f"A bug of s3c ended it: {type(error).__name__}."
        bug = S3CError(what, remedy="Please report it with the traceback from the log.")
        outcome = Outcome(
            command=self.command.name,
            images=(),
            exit_code=Exit.BUG,
            error=what,
            seconds=time.monotonic() - started,
        )
        try:
            self._write(outcome, output, bug)
        except Exception as second:
            self.console.complain("".join(traceback.format_exception(second)))
        self.console.bug(self.command.name, error)
        return Exit.BUG


def _keep(temp: Path, name: str, content: str) -> Path:
    """Write what was given as text in place of a path to a file, which goes with the run's temporary folder."""
    folder = temp / pasted.FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")
    return path


@cache
def _summary_ahead() -> None:
    """Import and compile what the summary is made with, while the first program runs: 0.05 s that nobody waits for."""

    def prepare() -> None:
        from s3c_actions.report.github import summary

        summary.prepare()

    threading.Thread(target=prepare, daemon=True).start()


def _machine() -> str:
    import platform

    # platform.platform() would start a program.
    return f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where programs and databases are kept between runs: `S3C_CACHE`, by default the user's cache folder."""
    return folders.cache_folder(environment).path


_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
}


def _translated(error: OSError) -> S3CError | None:
    """The error of a disk or a folder that is in the way; None when it is something else."""
    clause = _STORAGE.get(error.errno or 0)
    if clause is None:
        return None
    return OutsideError(
        f"{error.filename or 'A file'} could not be written: {clause}.",
        remedy="Make room or give rights there, or move the cache with the environment variable S3C_CACHE, temporary "
        "files with RUNNER_TEMP or TMPDIR, and the reports with `output-dir`.",
        original=str(error),
    )


def _unwritable(error: OSError, environment: Mapping[str, str]) -> S3CError:
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        if error.filename and environment.get(name) == str(error.filename):
            return InputError(
                name,
                f"the runner's file {error.filename} could not be written: {error.strerror}.",
                remedy="Leave the variable to the runner; outside of a workflow, unset it.",
            )
    return _translated(error) or _no_folder(error)


def _no_folder(error: OSError) -> InputError:
    return InputError(
        "output-dir",
        f"{error.filename or 'the folder'} could not be written: {error.strerror}.",
        remedy="Give another folder.",
    )


_OWN_FILES = ("summary.md", "result.json")


def _made(output: Path) -> Path:
    """The folder for everything written, made before anything is done that would have to be told there."""
    try:
        writing.check_inside(output, _OWN_FILES)
        writing.folder(output)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_folder(error) from error
    if not os.access(output, os.W_OK | os.X_OK):
        raise InputError("output-dir", f"this user may not write to {output}.", remedy="Give another folder.")
    return output


def _in_the_way(error: OSError, output: Path | None) -> S3CError | None:
    """The error of a file where the reports' folder has to be, or the other way round."""
    kinds = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
    if error.errno in kinds and output is not None and error.filename and Path(error.filename).is_relative_to(output):
        return _no_folder(error)
    return None


def _place(environment: Mapping[str, str]) -> Path | None:
    """Where the run's temporary folder lies; None: where the system has such folders."""
    place = environment.get("RUNNER_TEMP")
    if place and not Path(place).is_dir():
        raise InputError(
            "RUNNER_TEMP", f"{place} is not a folder.", remedy="Make it; outside of a workflow, unset the variable."
        )
    return Path(place) if place else None


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError(
            "working folder", "it was removed.", remedy="Go to one that is there, and run it again."
        ) from None
