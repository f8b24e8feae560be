"""One command from its arguments to its exit code: inputs, console, context, result, outputs, errors.

Everything it uses is an argument, so that a test gives it another environment and other streams.
"""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
from msgspec.structs import replace

from s3c_actions.cli import os_errors, parser
from s3c_actions.cli.streams import Console, open_console
from s3c_actions.cli.variables import reject_unknown
from s3c_actions.core import folders, pasted_content, secret_values, startup, tempdir, writing
from s3c_actions.core.errors import Exit, InputError, OutsideError, S3CError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import RoutedProgress
from s3c_actions.options import declare, other_actions
from s3c_actions.options import github as commenting
from s3c_actions.options.command import COMMANDS, Command, load
from s3c_actions.options.common import AnnotationOptions, EverywhereOptions, OutputOptions, SubmitOptions, UploadOptions
from s3c_actions.options.naming import InputNames, NamingProgress, name_on_command_line
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.cli.publish import Publisher
    from s3c_actions.findings.scope import SettingsFile
    from s3c_actions.options.declare import G, Group, Input
    from s3c_actions.result.gate_change import GateChange
    from s3c_actions.result.model import Outcome
    from s3c_actions.wiring.settings_files import GovernedInputs
    from s3c_actions.wiring.target_files import NamedPolicies

_SETTINGS = frozenset({"ignore-files", "policy", "trust-store", "trust-policy", "trusted-timestamp-root", "fleet"})
"""Inputs that `wiring.settings_files` handles: a command without any does not import it."""


def run(name: str, argv: Sequence[str], environment: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Run one command.

    Args:
        name: of the command, as typed; of a name of two words, the first or both.
        argv: its arguments.
        environment: the process's.
        stdout: where results go.
        stderr: where everything else goes.

    Returns:
        The exit code, see `errors.Exit`.
    """
    console = open_console(environment, stdout, stderr)
    names = InputNames()
    name, argv = parser.join_words(name, argv)
    try:
        command = load(parser.command_name(name))
        names = _name_inputs(command, {}, {})
        flags = parser.read(command, argv)
        if flags is None:
            from s3c_actions.cli.help_text import command_help

            stdout.write(command_help(command, full="--help" in argv))
            return Exit.DONE
        in_action = _in_action(argv, environment)
        names = InputNames() if in_action else _name_inputs(command, flags, environment)
        shown = declare.read(EverywhereOptions, flags, environment, console.progress.notice)
        debug = shown.debug or environment.get("RUNNER_DEBUG") == "1"
        console = open_console(
            environment,
            stdout,
            stderr,
            quiet=shown.quiet,
            verbose=shown.verbose or debug,
            debug=debug,
            document_only=shown.json,
        )
    except S3CError as error:
        names.name_inputs(error)
        if "--json" in argv and name in COMMANDS:
            console = open_console(environment, stdout, stderr, document_only=True)
            _print_failure(name, error, console)
        console.error(name if isinstance(error, InputError) and error.field != "command" else "", error)
        return int(error.exit_code)
    except Exception as error:
        console.bug(name, error)
        return Exit.BUG
    else:
        console.progress = NamingProgress(console.progress, names)
        return _Run(command, flags, environment, console, names, in_action).run()
    finally:
        console.close()


def _in_action(argv: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether an action runs the command: it passes its inputs as variables, which its users do not know."""
    return not argv and bool(environment.get("GITHUB_ACTIONS") == "true" and environment.get("GITHUB_ACTION_PATH"))


def _name_inputs(command: Command[Any], flags: Mapping[str, str], environment: Mapping[str, str]) -> InputNames:
    typed = (*command.inputs, *parser.shell_flags(command))
    return name_on_command_line(typed, _inputs_without_flag(command), flags, environment)


def _inputs_without_flag(command: Command[Any]) -> tuple[Input[Any], ...]:
    """Return the inputs of the shell itself that are not flags of the command."""
    names = {option.name for option in (*command.inputs, *parser.shell_flags(command))}
    commenting_inputs = (*commenting.CommentingOptions.inputs(), *commenting.GatingOptions.inputs())
    inputs = (
        AnnotationOptions.annotations,
        UploadOptions.upload_sarif,
        SubmitOptions.submit_dependencies,
        *commenting_inputs,
    )
    return tuple(option for option in inputs if option.name not in names)


def _print_failure(name: str, error: S3CError, console: Console) -> None:
    """Print the document of a command that did not begin, because its command line is wrong."""
    from s3c_actions.result.document import build_document, render_document

    outcome = _failed_outcome(name, error)
    console.say_document(render_document(build_document(outcome, datetime.now(UTC), console.secrets, error)))


def _failed_outcome(name: str, error: S3CError) -> Outcome:
    """Return the outcome of a command that an error ended."""
    from s3c_actions.result.model import Outcome

    return Outcome(command=name, images=(), exit_code=int(error.exit_code), error=error.what)


class _Run(msgspec.Struct):
    command: Command[Any]
    flags: Mapping[str, str]
    environment: Mapping[str, str]
    console: Console
    names: InputNames
    in_action: bool
    upload: bool = False
    annotations: bool = False
    submit: commenting.TokenOptions | None = None
    comment: commenting.CommentingOptions | None = None
    settings: tuple[SettingsFile, ...] = ()
    changes: tuple[GateChange, ...] = ()
    named_policies: NamedPolicies | None = None
    now: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def run(self) -> int:
        """Run the command and publish its outcome; the reports are written even when it fails."""
        try:
            root = writing.guarded_folder(self.environment, _working_folder())
        except S3CError:  # there is no working folder, which `_run` reports
            return self._run()
        with writing.guard_links(root):
            return self._run()

    def _run(self) -> int:
        started = time.monotonic()
        output: Path | None = None
        failure: S3CError | None = None
        try:
            self._hide_secrets()
            reject_unknown(self.environment, self._all_inputs(), in_action=self.in_action)
            self._reject_removed()
            self._translate_others()
            _working_folder()
            if issubclass(self.command.options, OutputOptions):
                output = _make_output_folder(self._read_group(OutputOptions).output_dir)
            self.upload = self._read_group(UploadOptions).upload_sarif
            if self.command.comments:
                self.annotations = self._read_group(AnnotationOptions).annotations
                self.comment = declare.read(
                    commenting.CommentingOptions, self.flags, self.environment, self.console.progress.notice
                )
            if self.command.submits:
                self._prepare_submission()
            outcome = self._phrase_outcome(self._run_command(output))
        except S3CError as error:
            failure = error
        except OSError as error:
            failure = os_errors.translate(error) or os_errors.translate_conflict(error, output)
            if failure is None:
                return self._report_bug(error, output, started)
        except MemoryError:
            failure = OutsideError(
                "This machine has not enough memory for this.",
                remedy="Raise its limit (`ulimit -v`, or that of the container), or do less at once.",
            )
        except Exception as error:
            return self._report_bug(error, output, started)
        if failure is not None:
            self._phrase(failure)
            outcome = _failed_outcome(self.command.name, failure)
        outcome = replace(outcome, seconds=time.monotonic() - started)
        outcome = replace(outcome, settings=self.settings, gate_changes=self.changes)
        try:
            return self._publisher().publish(outcome, output, failure)
        except OSError as error:
            translated = os_errors.translate(error)
            if translated is None:
                return self._report_bug(error, output, started)
            self.console.error(self.command.name, translated)
            return int(translated.exit_code)
        except Exception as error:
            # Uncaught, it would end with Python's own exit code 1, which here means that the policy refused.
            return self._report_bug(error, output, started)

    def _prepare_submission(self) -> None:
        """Read whether packages are submitted, and have them listed then."""
        if not self._read_group(SubmitOptions).submit_dependencies:
            return
        from s3c_actions.github import dependency_snapshot
        from s3c_actions.github.run import read_run
        from s3c_actions.options.report import FormatOptions, ReportFileOptions
        from s3c_actions.report.format_registry import SNAPSHOT

        dependency_snapshot.check_run(read_run(self.environment))
        self.submit = self._read_group(commenting.TokenOptions)
        options = self._read_group(ReportFileOptions)
        if SNAPSHOT not in options.format:
            first = () if options.given(FormatOptions.format) else (options.without_format,)
            self.flags = {**self.flags, "format": ",".join((*first, *options.format, SNAPSHOT))}

    def _publisher(self) -> Publisher:
        from s3c_actions.cli.publish import Publisher

        return Publisher(
            command=self.command,
            environment=self.environment,
            console=self.console,
            now=self.now,
            upload=self.upload,
            annotations=self.annotations,
            submit=self.submit,
            comment=self.comment,
        )

    def _all_inputs(self) -> tuple[Input[Any], ...]:
        """Return every input of this command, including those of the shell itself."""
        command = self.command
        flags = parser.shell_flags(command)
        return (*command.inputs, *command.other_inputs, *flags, *_inputs_without_flag(command))

    def _hide_secrets(self) -> None:
        """Hide every secret before an input is used, including secrets given in the wrong input."""
        secrets = self.console.secrets
        for value in secret_values.environment_secrets(self.environment):
            secrets.add(value)
        for option, text in declare.texts(self._all_inputs(), self.flags, self.environment):
            if option.variables:
                for value in secret_values.assigned_secrets(text.splitlines()):
                    secrets.add(value)
            if option.secret:
                secrets.add(text)
            elif (kind := option.content(text)) in option.takes and kind == pasted_content.KUBECONFIG:
                for value in pasted_content.kubeconfig_secrets(pasted_content.normalize_kubeconfig(text)):
                    secrets.add(value)
            elif pasted_content.is_secret_kind(kind):
                secrets.add_content(text)
            elif "@" in text:
                for value in secret_values.embedded_secrets(text):
                    secrets.add(value)

    def _reject_removed(self) -> None:
        """Raise InputError when a variable sets a removed input; in an action every input is a variable."""
        removed = self.command.removed
        if removed is not None:
            for option, _ in declare.texts(removed.asking, {}, self.environment):
                raise removed.error(option, self.command.name)

    def _translate_others(self) -> None:
        """Take the inputs of other actions as what they become here; see `options.other_actions`."""
        declared = self._all_inputs()
        given = {
            name: text
            for option in declared
            for name in option.names
            if (text := self.flags.get(name) or self.environment.get(declare.variable(name)))
        }
        if not any(other.name in given for other in self.command.others):
            return
        for option in self.command.other_inputs:
            kind = option.content(given.get(option.name, ""))
            if pasted_content.is_secret_kind(kind):
                # Before anything is done with it: an error about its meaning would quote it, or pass over what it is.
                raise option.content_error(kind)
        ours = [option for option in declared if option not in self.command.other_inputs]
        same = {name: option.name for option in ours for name in option.names}
        translated = other_actions.translate(self.command.others, given, same)
        for sentence in translated.notices:
            self.console.progress.notice(sentence)
        replaced = {name for name, own in same.items() if own in translated.values}
        cleared = {declare.variable(name) for name in replaced}
        self.flags = {
            **{name: text for name, text in self.flags.items() if name not in replaced},
            **{name: text for name, text in translated.values.items() if text},
        }
        self.environment = {
            **{name: text for name, text in self.environment.items() if name not in cleared},
            **translated.variables,
        }

    def _program_environment(self) -> dict[str, str]:
        """Return the environment without secret inputs of any command, and without content given in place of a path."""
        excluded = {declare.variable(name) for name in folders.SECRET_INPUTS}
        for option in self._all_inputs():
            names = [declare.variable(name) for name in option.names] if not option.secret else []
            given = ((name, self.environment.get(name)) for name in names)
            excluded.update(name for name, text in given if text and option.content(text))
        # That one is there and empty is no secret, and says why there is no key.
        return {name: text for name, text in self.environment.items() if name not in excluded or not text}

    def _phrase(self, error: S3CError) -> None:
        """Name the inputs in an error as they were given, and cut their values to the length that messages show."""
        cut = self._create_shortener()
        error.what, error.cause, error.remedy, error.original = map(
            cut, (error.what, error.cause, error.remedy, error.original)
        )
        error.image = cut(error.image)
        self.names.name_inputs(error)

    def _phrase_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome with its errors phrased as `_phrase` does."""
        for image in outcome.images:
            if image.failure is not None:
                image.failure.image = image.failure.image or image.image
        failures = [image.failure for image in outcome.images]
        first = ""
        for failure in (*failures, outcome.deploy.failure if outcome.deploy is not None else None):
            if failure is not None:
                repeated = failure.what == outcome.error
                self._phrase(failure)
                first = first or (failure.what if repeated else "")
        return replace(outcome, error=first or self.names.render(self._create_shortener()(outcome.error)))

    def _create_shortener(self) -> Callable[[str], str]:
        cuts: dict[str, str] = {}
        for option, text in declare.texts(self._all_inputs(), self.flags, self.environment):
            cuts.update(option.cuts(text))

        def cut(text: str) -> str:
            for long in sorted(cuts, key=len, reverse=True):
                text = text.replace(long, cuts[long])
            return pasted_content.hide_kept_paths(text)

        return cut

    def _read_group(self, group: type[G]) -> G:
        """Read inputs that the shell itself uses."""
        return declare.read(group, self.flags, self.environment, lambda _old: None)

    def _run_command(self, output: Path | None) -> Outcome:
        environment = self._program_environment()
        progress = RoutedProgress(self.console.progress)
        cache = folders.cache_folder(environment)
        if cache.notice:
            progress.notice(cache.notice)
        program_environment = folders.program_environment(environment, folders.working_folder())
        with tempdir.open_run_folder(_temp_parent(environment)) as temp:
            values = declare.read(
                self.command.options, self.flags, self.environment, progress.notice, partial(_write_content, temp)
            )
            context = Context(
                environment=environment,
                runner=Runner(
                    {**program_environment, "TMPDIR": str(temp)},
                    self.console.secrets,
                    echo=lambda line: progress.note(f"$ {line}"),
                    meanwhile=_warm_summary,
                ),
                progress=progress,
                secrets=self.console.secrets,
                output=output or Path(),
                cache=cache.path,
                temp=temp,
                cwd=_working_folder(),
                now=self.now,
            )
            try:
                return self.command.run(self._add_settings_files(values, context), context)
            finally:
                self._add_named_policies(context)

    def _add_settings_files(self, values: Group, context: Context) -> Group:
        """Return the values with the settings files added, and record those files in the outcome."""
        declared = self.command.inputs
        if not _SETTINGS.intersection(option.name for option in declared):
            return values
        from s3c_actions.wiring import settings_files

        governed = self._apply_target_files(values, context)
        values = settings_files.add_default_files(governed.options, declared, context.cwd)
        proposed = governed.proposed
        if proposed is not None:
            proposed = settings_files.add_default_files(proposed, declared, context.cwd)
        named = self.named_policies
        settings_files.share_files(
            context,
            settings_files.RunFiles(
                names=governed.names, proposed=proposed, named_policy=named.path if named is not None else None
            ),
        )
        self.changes = governed.changes
        self.settings = settings_files.list_files(values, declared, context.cwd, governed.names)
        return values

    def _add_named_policies(self, context: Context) -> None:
        """Record the policies that a file of the run named and that were used, in the outcome."""
        if not _SETTINGS.intersection(option.name for option in self.command.inputs):
            return
        from s3c_actions.wiring import settings_files

        self.settings = tuple(sorted({*self.settings, *settings_files.list_named_policies(context)}))
        if self.named_policies is not None:
            self.changes = (*self.changes, *self.named_policies.changes)

    def _apply_target_files(self, values: Group, context: Context) -> GovernedInputs:
        """Return the values with the files of a pull request's target branch; unchanged outside a pull request."""
        from s3c_actions.wiring import settings_files

        if not self.environment.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
            return settings_files.GovernedInputs(options=values)
        from s3c_actions.github import target_branch
        from s3c_actions.wiring import target_files

        progress = self.console.progress
        gating = declare.read(commenting.GatingOptions, {}, self.environment, progress.notice)
        branch = target_branch.find_target_branch(self.environment, lambda: self._find_token(gating), progress.notice)
        if branch is None:
            return settings_files.GovernedInputs(options=values)
        checkout = target_files.Checkout(
            workspace=Path(self.environment.get("GITHUB_WORKSPACE") or context.cwd),
            repository=self.environment.get("GITHUB_REPOSITORY", ""),
            cwd=context.cwd,
        )
        label = gating.gate_label
        governed = target_files.apply_target_files(
            values, self.command.inputs, checkout, branch, label=label, temp=context.temp
        )
        for change in governed.changes:
            progress.warning(target_files.describe_change(change, branch.name, label))
        self.named_policies = target_files.NamedPolicies(checkout, branch, label=label, temp=context.temp)
        return governed

    def _find_token(self, gating: commenting.GatingOptions) -> str:
        """Return the token that reads the target branch."""
        from s3c_actions.wiring.github import look_up_token

        token = look_up_token(gating, self.environment)
        if not token:
            raise OutsideError(
                "The target branch's files could not be read: there is no token for GitHub.",
                cause="On a pull request the files that decide its gate are compared with the target branch's.",
                remedy="Give `github-token`, with the permission `contents: read`.",
            )
        self.console.secrets.add(token)
        return token

    def _report_bug(self, error: Exception, output: Path | None, started: float) -> int:
        what = f"A bug of s3c ended it: {type(error).__name__}."
        bug = S3CError(what, remedy="Please report it with the traceback from the log.")
        outcome = replace(
            _failed_outcome(self.command.name, bug), exit_code=Exit.BUG, seconds=time.monotonic() - started
        )
        try:
            self._publisher().write(outcome, output, bug)
        except Exception as second:
            self.console.write_problem("".join(traceback.format_exception(second)))
        self.console.bug(self.command.name, error)
        return Exit.BUG


def _write_content(temp: Path, name: str, content: str) -> Path:
    """Write content given in place of a path to a file, which is removed with the run's temporary folder."""
    folder = temp / pasted_content.KEPT_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")
    return path


@cache
def _warm_summary() -> None:
    """Import and compile what publishes the outcome while the first program runs."""
    startup.warm("s3c_actions.cli.publish", then="s3c_actions.report.github.summary:prepare")


def cache_path(environment: Mapping[str, str]) -> Path:
    """Return the folder of programs and databases kept between runs: `S3C_CACHE`, else the user's cache folder."""
    return folders.cache_folder(environment).path


_OWN_FILES = ("summary.md", "result.json")


def _make_output_folder(output: Path) -> Path:
    """Create the output folder, before anything is done that would have to be reported in it."""
    try:
        writing.check_inside(output, _OWN_FILES)
        writing.make_folder(output)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise os_errors.no_output_folder(error) from error
    if not os.access(output, os.W_OK | os.X_OK):
        raise InputError("output-dir", f"this user may not write to {output}.", remedy="Give another folder.")
    return output


def _temp_parent(environment: Mapping[str, str]) -> Path | None:
    """Return the parent of the run's temporary folder; None for the system's own."""
    folder = environment.get("RUNNER_TEMP")
    if folder and not Path(folder).is_dir():
        raise InputError(
            "RUNNER_TEMP", f"{folder} is not a folder.", remedy="Make it; outside of a workflow, unset the variable."
        )
    return Path(folder) if folder else None


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError(
            "working folder", "it was removed.", remedy="Go to one that is there, and run it again."
        ) from None
