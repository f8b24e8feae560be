"""`s3c init`: write the workflows and settings that fit a repository; create a key; migrate from trivy-action."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from s3c_actions import REPOSITORY, __version__
from s3c_actions.core import reading
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.github import commits
from s3c_actions.options import init as inputs
from s3c_actions.options.command import load
from s3c_actions.report.render.terminal import plain_line
from s3c_actions.result.model import Outcome
from s3c_actions.scaffold import changes, inspection, ownership, plan, trivy_migration
from s3c_actions.scaffold.changes import Change
from s3c_actions.scaffold.inspection import WORKFLOWS, Inspection
from s3c_actions.scaffold.ownership import State
from s3c_actions.scaffold.plan import CERTIFICATE, GITHUB, PlannedFile, Signer
from s3c_actions.scaffold.rendering import Pin
from s3c_actions.signing import key_creation
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.github import look_up_token
from s3c_actions.wiring.signing import require_together

KEY = "keys/signing.key"
_PINNED = re.compile(rf"{re.escape(REPOSITORY)}/[A-Za-z0-9./-]+@([0-9a-f]{{40}}) # v{re.escape(__version__)}\n")
_IGNORE_FILES = (".trivyignore", ".trivyignore.yaml")
_RELATED = {
    "aquasecurity/trivy-action": "`s3c init --from-trivy-action {workflow}` changes it",
    "project-copacetic/copa-action": "s3c's patch does the same, and proves it by a rescan",
    "notaryproject/notation-action/sign": "s3c's sign does the same, by digest, and verifies what it signed",
    "notaryproject/notation-action/verify": "s3c's verify does the same",
    "anchore/scan-action": "s3c's scan does the same, with Trivy",
}


def run(options: inputs.InitInputs, context: Context) -> Outcome:
    """Write what fits the repository, or migrate one workflow.

    Raises:
        InputError: an input is wrong, nothing fits, or a file that somebody else wrote stands in the way and nobody can
            be asked. Nothing was written.
    """
    root = find_root(context.cwd)
    require_together(options, inputs.InitInputs.vault, inputs.InitInputs.vault_certificate)
    if options.yes and options.keep:
        raise InputError("keep", "it is given beside yes.", remedy="Give one of them.")
    if options.from_trivy_action is not None:
        return _migrate(options, context, root)
    return _initialise(options, context, root)


def find_root(folder: Path) -> Path:
    """Return the top level of the checkout that a folder is in; without one, the folder."""
    here = folder.resolve()
    return next((parent for parent in (here, *here.parents) if (parent / ".git").exists()), here)


class _Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with a planned file."""

    file: PlannedFile
    state: State
    change: Change
    replaced: bool

    @property
    def word(self) -> str:
        """Return what is done, in one word."""
        if self.state is State.FOREIGN:
            return "replace" if self.replaced else "keep"
        return {State.MISSING: "new", State.CURRENT: "same", State.OWN: "update", State.CHANGED: "keep"}[self.state]

    @property
    def remark(self) -> str:
        """Return why a file is kept; empty for another."""
        if self.word != "keep":
            return self.file.purpose
        return "you changed it: it is yours" if self.state is State.CHANGED else "somebody else wrote it"


def _initialise(options: inputs.InitInputs, context: Context, root: Path) -> Outcome:
    inspected = inspection.inspect(root)
    signer = _signer(options, root)
    ignore_file = next((name for name in _IGNORE_FILES if _is_foreign_ignore_file(root, name)), "")
    planned = plan.make_plan(
        inspected, signer, _find_pin(options, context, root), prefix=options.image_prefix, ignore_file=ignore_file
    )
    if not planned.files and not options.key:
        raise InputError(
            "repository",
            f"there is no Dockerfile, and no manifest with an image, in {root}.",
            remedy="Run it in a repository that builds or deploys images.",
        )
    for note in planned.notes:
        context.progress.notice(note)
    for sentence in _related(inspected):
        context.progress.notice(sentence)
    key_changes = _key_changes(options, context, root, inspected)
    decisions = _decide(options, root, planned.files)
    wanted = [decision.change for decision in decisions if decision.word in {"new", "update", "replace"}]
    lines = _listing([(decision.word, decision.file.path, decision.remark) for decision in decisions])
    lines += _listing([("new" if change.before is None else "update", change.path, "") for change in key_changes])
    if options.dry_run:
        shown = changes.diff([*wanted, *(change for change in key_changes if not change.private)])
        return _outcome("\n".join([shown, *lines, "Nothing was written."]))
    if not wanted and not key_changes and not options.key:
        return _outcome("\n".join([*lines, "Nothing has to be changed."]))
    changes.write_all(root, [*key_changes, *wanted])
    steps = _next_steps(options, inspected, planned.steps, _subject(options, inspected, root))
    return _outcome("\n".join([*lines, *steps]))


def _outcome(text: str) -> Outcome:
    return Outcome(command="init", images=(), text=text.strip("\n"))


def _listing(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    width = max((len(path) for _, path, _ in rows), default=0)
    return [f"{word:<8}{path:<{width}}  {remark}".rstrip() for word, path, remark in rows]


def _decide(options: inputs.InitInputs, root: Path, files: Sequence[PlannedFile]) -> list[_Decision]:
    """Compare what is planned with what is there, and ask where somebody else's file would be replaced."""
    decisions = []
    for file in files:
        present = changes.read_present(root, file.path)
        state = ownership.classify(present, file.text)
        change = Change(path=file.path, before=present, after=file.text.encode())
        decisions.append(_Decision(file=file, state=state, change=change, replaced=False))
    foreign = [decision for decision in decisions if decision.state is State.FOREIGN]
    replaced = _confirm(options, [decision.change for decision in foreign])
    return [msgspec.structs.replace(decision, replaced=decision.file.path in replaced) for decision in decisions]


def _confirm(options: inputs.InitInputs, conflicts: Sequence[Change]) -> set[str]:
    """Return the paths of the files of somebody else that are to be replaced."""
    if options.yes or options.dry_run:
        return {change.path for change in conflicts}
    if options.keep or not conflicts:
        return set()
    if not sys.stdin.isatty():
        raise InputError(
            "yes",
            f"somebody else wrote {', '.join(change.path for change in conflicts)}, and there is no terminal to ask "
            "at: nothing was written.",
            remedy="Give `yes` to replace what is there, `keep` to leave it, or `dry-run` to see the difference.",
        )
    replaced = set()
    for change in conflicts:
        for line in changes.diff([change]).splitlines():
            sys.stderr.write(f"{plain_line(line)}\n")
        sys.stderr.write(f"Replace {plain_line(change.path)}, which `s3c init` did not write? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in {"y", "yes"}:
            replaced.add(change.path)
    return replaced


def _is_foreign_ignore_file(root: Path, name: str) -> bool:
    present = changes.read_present(root, name)
    return present is not None and ownership.classify(present, "") is State.FOREIGN


def _signer(options: inputs.InitInputs, root: Path) -> Signer:
    if options.vault:
        return Signer(vault=options.vault, vault_certificate=options.vault_certificate)
    present = options.key or changes.read_present(root, CERTIFICATE) is not None
    return Signer(certificate=CERTIFICATE if present else "")


def _find_pin(options: inputs.InitInputs, context: Context, root: Path) -> Pin:
    """Return the version that workflows name: that given, what GitHub says, or that of the workflows here."""
    if options.pin:
        return Pin(commit="" if options.pin == inputs.TAG else options.pin)

    token = look_up_token(options, context.environment)
    context.secrets.add(token)
    try:
        return Pin(commit=commits.find_commit(REPOSITORY, f"v{__version__}", token, context.environment))
    except OutsideError as error:
        # What a checkout names could be a commit of a fork, which GitHub serves under our name as well.
        present = _present_commit(root)
        kept = f"keep the commit {present}, which was not checked" if present else "name the tag"
        context.progress.notice(f"{error.what} The workflows {kept}; --pin COMMIT names another.")
        return Pin(commit=present)


def _present_commit(root: Path) -> str:
    """Return the commit of this version that workflows written before name; empty without one."""
    for path in sorted((root / WORKFLOWS).glob("s3c-*.yml"))[:20]:
        try:
            match = _PINNED.search(reading.read_text_file(path))
        except (OSError, UnicodeDecodeError):
            continue
        if match is not None:
            return match[1]
    return ""


def _related(inspected: Inspection) -> list[str]:
    """Return a sentence for each existing step that does what s3c does."""
    used = dict.fromkeys((action.workflow, action.action) for action in inspected.actions)
    return [
        f"{workflow} uses {action}: {_RELATED[action].format(workflow=shlex.quote(workflow))}."
        for workflow, action in used
        if action in _RELATED
    ]


def _key_changes(options: inputs.InitInputs, context: Context, root: Path, inspected: Inspection) -> list[Change]:
    """Return the files of a new key, and the lines that keep it out of Git and of images."""
    if not options.key or options.vault:
        return []
    for path in (KEY, CERTIFICATE):
        if changes.read_present(root, path) is not None:
            raise InputError(
                "key",
                f"{path} is there already, and is not overwritten.",
                cause="What it signed could not be verified any more without its certificate.",
                remedy="Move it away if it is not used any more; how to renew a certificate: "
                f"{doc_link('certificates.md')}.",
            )
    ignore_files = [".gitignore"]
    if any(not dockerfile.context for dockerfile in inspected.dockerfiles):
        ignore_files.append(".dockerignore")  # `COPY . .` would copy it into an image that is built here
    ignored = [change for name in ignore_files if (change := _ignore(root, name)) is not None]
    if options.dry_run:
        return [*ignored, Change(path=KEY, before=None, after=b"", private=True)]
    pair = key_creation.create(_subject(options, inspected, root), context.now, timedelta(seconds=options.valid_for))
    context.secrets.add_content(pair.key.decode())
    context.progress.notice(f"The key's certificate is of {pair.subject}, valid until {pair.ends:%Y-%m-%d}.")
    return [
        *ignored,
        Change(path=KEY, before=None, after=pair.key, private=True),
        Change(path=CERTIFICATE, before=None, after=pair.certificate),
    ]


def _ignore(root: Path, name: str) -> Change | None:
    """Return the change that adds the key to an ignore file; None when it is listed."""
    before = changes.read_present(root, name)
    text = before or b""
    line = f"/{KEY}" if name == ".gitignore" else KEY
    if line.encode() in (entry.strip() for entry in text.splitlines()):
        return None
    separator = b"" if not text or text.endswith(b"\n") else b"\n"
    return Change(path=name, before=before, after=text + separator + f"{line}\n".encode())


def _subject(options: inputs.InitInputs, inspected: Inspection, root: Path) -> str:
    """Return the certificate's subject; by default it names the repository, of which no country and state is known."""
    if options.subject:
        return options.subject
    remote = inspected.checkout.remote
    owner, name = (remote.owner, remote.name) if remote else ("local", root.name)

    def clean(text: str) -> str:
        return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.")[:60] or "images"

    return f"C=XX, ST=Unspecified, O={clean(owner)}, CN={clean(name)}"


def _next_steps(options: inputs.InitInputs, inspected: Inspection, outside: Sequence[str], subject: str) -> list[str]:
    """Return what is left to do, as lines; `outside` are the plan's own steps."""
    remote = inspected.checkout.remote
    repository = f" --repo {remote.owner}/{remote.name}" if remote and remote.host == GITHUB else ""
    steps: list[str] = []
    if options.key and not options.vault:
        steps += [
            "Create the environment `signing` (Settings > Environments) and allow the default branch alone to use it.",
            f"Store the key as its secret:  gh secret set SIGNING_KEY --env signing{repository} < {KEY}",
            f"Keep {KEY} where only you can read it, or delete it. Git ignores it; {CERTIFICATE} is public: commit it.",
        ]
    elif options.key and options.vault:
        steps.append(f"Create the certificate in the vault:\n{_vault_command(options, subject)}")
    steps += outside
    steps.append("Look at what was written (`git diff`), and commit it.")
    return ["", "Next:", *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]


def _vault_command(options: inputs.InitInputs, subject: str) -> str:
    """Return the command that creates a certificate in Azure Key Vault that may sign images."""
    policy = {
        "issuerParameters": {"name": "Self"},
        "keyProperties": {"exportable": False, "keyType": "RSA", "keySize": 3072, "reuseKey": False},
        "secretProperties": {"contentType": "application/x-pem-file"},
        "x509CertificateProperties": {
            "subject": subject,
            "keyUsage": ["digitalSignature"],
            "ekus": ["1.3.6.1.5.5.7.3.3"],
            "validityInMonths": max(1, round(options.valid_for / 86400 / 30.4)),
        },
    }
    name = options.vault.partition(".")[0]
    return (
        f"       az keyvault certificate create --vault-name {name} --name {options.vault_certificate} --policy "
        + shlex.quote(msgspec.json.encode(policy).decode())
    )


def _migrate(options: inputs.InitInputs, context: Context, root: Path) -> Outcome:
    """Migrate one workflow from trivy-action."""
    field = inputs.InitInputs.from_trivy_action
    if options.key or options.vault:
        raise InputError(field.name, "it goes with neither key nor vault.", remedy="Run `s3c init` a second time.")
    given = options.from_trivy_action or Path()
    path = Path(os.path.normpath(context.cwd.resolve() / given))
    if not path.is_relative_to(root):
        raise InputError(field.name, f"{given} is no file of the repository {root}.", remedy="Give one of its files.")
    relative = path.relative_to(root).as_posix()
    before = changes.read_present(root, relative)
    if before is None:
        raise InputError(field.name, f"{given} is not there.", remedy="Look at the path.")
    try:
        text = before.decode()
        migration = trivy_migration.migrate(text, _find_pin(options, context, root), _scan_inputs())
    except ValueError as error:
        problem = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(field.name, f"{given}: {problem}.", remedy="Give a workflow.") from error
    lines = [*(f"changed  {sentence}" for sentence in migration.changed)]
    lines += [f"by hand  {sentence}" for sentence in migration.by_hand]
    if not lines:
        raise InputError(
            field.name, f"no step in {given} uses {trivy_migration.ACTION}.", remedy="Give the workflow that does."
        )
    change = Change(path=relative, before=before, after=migration.text.encode())
    if change.after == before:
        return _outcome("\n".join([*lines, "Nothing was written."]))
    if options.dry_run:
        return _outcome("\n".join([changes.diff([change]), *lines, "Nothing was written."]))
    if change.path in _confirm(options, [change]):
        changes.write_all(root, [change])
        return _outcome("\n".join([*lines, f"{relative} was changed: look at `git diff`."]))
    return _outcome("\n".join([*lines, "Nothing was written."]))


def _scan_inputs() -> Mapping[str, str]:
    """Return each name that the inputs of the scan's action are understood by, with the input's own name."""
    return {name: option.name for option in load("scan").inputs for name in (option.name, *option.aliases)}
