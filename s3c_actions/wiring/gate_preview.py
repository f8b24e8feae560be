"""Preview and promote the gate of a cluster, as the options ask."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from s3c_actions import __version__
from s3c_actions.cluster.gate import constraints, inspection, proof, stages
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate.manifests import CONSTRAINT_KIND, EXEMPT_NAMESPACES
from s3c_actions.cluster.used_images import ImageUse, list_used
from s3c_actions.core import writing
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.github.issues import PERMISSION
from s3c_actions.options.gate import GateInputs
from s3c_actions.policy import model
from s3c_actions.report import gate_preview as views
from s3c_actions.report.document import PreviewEntry
from s3c_actions.result.document import without_secrets
from s3c_actions.result.model import DeployResult, Outcome
from s3c_actions.steps import judge, preview_gate, promote_gate
from s3c_actions.steps.preview_gate import InstalledGate, Verdict
from s3c_actions.wiring import cluster_gate, issues
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.deploying import deploy_outcome
from s3c_actions.wiring.github import find_token
from s3c_actions.wiring.issues import KeptIssue
from s3c_actions.wiring.judging import open_policy_judge

if TYPE_CHECKING:
    from s3c_actions.cluster.client import Cluster

PAGE_FILE = "gate-preview.html"
NAME = "gate preview"


class ComingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Asks a policy that is not installed yet."""

    judge: judge.PolicyJudge

    def ask(self, image: str) -> Verdict:
        """Return what a gate with this policy would do with an image in the stage `deny`."""
        try:
            reference = Reference.parse(image)
        except InputError as error:
            return Verdict(image=image, verdict="unknown", reason=error.what, remedy=error.remedy)
        try:
            pinned = reference.at(self.judge.registry.resolve(reference).digest)
            judgement = judge.run(self.judge, pinned)
        except InputError as error:
            return Verdict(image=preview_gate.pinned(image), verdict="refused", reason=error.what, remedy=error.remedy)
        except OutsideError as error:
            return Verdict(image=preview_gate.pinned(image), verdict="unknown", reason=error.what, remedy=error.remedy)
        if not judgement.refusals:
            return Verdict(image=pinned.pinned, verdict="admitted")
        return Verdict(image=pinned.pinned, verdict="refused", reason=judge.describe_objections(judgement.refusals))


def preview(options: GateInputs, context: Context, cluster: Cluster, started: float) -> Outcome:
    """Say what the gate would refuse of what a cluster uses, by the policy given or by the installed gate.

    Raises:
        InputError: an input is wrong, or no gate is there to be asked.
        Refused: the installed gate is paused, or does not close.
        OutsideError: the cluster does not answer, or GitHub did not take the issue.
    """
    if options.issue:
        find_token(options, context, PERMISSION)  # a missing token is reported first
    entry = without_secrets(look(options, context, cluster, options.namespaces), context.secrets)
    path = context.output / PAGE_FILE
    created = context.now.isoformat(timespec="seconds")
    writing.write(path, views.render_page(entry, created=created, version=__version__))
    url = update_issue(options, context, entry) if options.issue else ""
    return Outcome(
        command="gate",
        images=(),
        exit_code=int(OutsideError.exit_code) if entry.count("unknown") else 0,
        files={"gate-preview": path},
        preview=entry,
        summary=views.render_summary(entry),
        issue=url,
        text=f"{views.render_terminal(entry)}  page: {path}\n",
        seconds=time.monotonic() - started,
    )


def look(
    options: GateInputs,
    context: Context,
    cluster: Cluster,
    namespaces: Sequence[str],
    *,
    without: Collection[str] = (),
    installed: bool = False,
) -> PreviewEntry:
    """Judge every image that a cluster uses.

    Args:
        options: with the policy to come, if it is given.
        context: of the command.
        cluster: to look at.
        namespaces: only these; empty: all.
        without: namespaces whose images are left out.
        installed: ask the installed gate, whatever policy is given.

    Raises:
        InputError, Refused, OutsideError: as `preview`.
    """
    facts = gate_objects.read_gate_objects(cluster)
    place = options.namespace or cluster.namespace
    if missing := sorted({*namespaces} - {*facts.namespaces}):
        raise InputError(
            GateInputs.namespaces.name,
            f"{missing[0]} is not there.",
            remedy="Look at `kubectl get namespaces`.",
        )
    looked = inspection.inspect(facts, [("", "Pod", place)], accept=Stage.AUDIT)
    has_gate = bool(looked.stages or looked.constraints or looked.watching)
    exempt = _exempt(options, cluster, looked if has_gate else None, {*facts.namespaces})
    with ExitStack() as stack, context.progress.step("preview") as step:
        used = _leave_out(list_used(cluster, namespaces), without)
        ask, digest = None, ""
        if options.policy is not None and not installed:
            policy = model.read(options.policy)
            ask = ComingPolicy(
                judge=stack.enter_context(open_policy_judge(options, context, policy, _registries(used)))
            ).ask
            digest = policy.digest
        else:
            ask = _installed_gate(cluster, place, looked, has_gate=has_gate).ask
        subject, apart = preview_gate.preview(used, exempt, ask)
        now = stages.read_stages(
            constraint for constraint in facts.constraints if constraint["kind"] == CONSTRAINT_KIND
        )
        entry = PreviewEntry(
            cluster=cluster.address,
            policy=digest,
            stages={} if now is None else {"*": now.default.value, **{name: s.value for name, s in now.named.items()}},
            images=subject,
            exempt=apart,
            exempt_namespaces={name: why for name, why in exempt.items() if not namespaces or name in namespaces},
        )
        step.done(views.describe(entry))
    return entry


def _exempt(
    options: GateInputs, cluster: Cluster, looked: inspection.GateInspection | None, names: Collection[str]
) -> dict[str, str]:
    """Return the namespaces that go around the gate, or around one that is to be installed, with the reason."""
    exempt = dict(looked.exempt) if looked is not None else {}
    if looked is None:
        given = (*EXEMPT_NAMESPACES, *cluster_gate.find_aks_namespaces(cluster))
        exempt = {name: "`s3c gate install` leaves it out" for name in given if name in names}
    for name in sorted(names):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in options.exempt_namespaces):
            exempt.setdefault(name, "`exempt-namespaces` names it")
    return exempt


def _leave_out(used: Mapping[str, Sequence[ImageUse]], without: Collection[str]) -> dict[str, tuple[ImageUse, ...]]:
    kept = {image: tuple(use for use in uses if use.namespace not in without) for image, uses in used.items()}
    return {image: uses for image, uses in kept.items() if uses}


def _registries(images: Collection[str]) -> set[str]:
    registries = set()
    for image in images:
        try:
            registries.add(Reference.parse(image).registry)
        except InputError:
            continue  # it is judged, and then named
    return registries


def _installed_gate(
    cluster: Cluster, namespace: str, looked: inspection.GateInspection, *, has_gate: bool
) -> InstalledGate:
    """Return the installed gate, which is proved to tell what it would refuse.

    Raises:
        InputError: there is none.
        Refused: it is paused, has holes, or does not tell.
        OutsideError: the cluster, or Ratify, does not answer.
    """
    if not has_gate:
        raise InputError(
            GateInputs.policy.name,
            f"it is missing, and {cluster.address} has no gate that could be asked.",
            remedy="Give the policy to come, with `policy`; or install the gate with `s3c gate install --mode audit`.",
        )
    if looked.active_pauses:
        raise inspection.pause_error(looked)
    if looked.holes:
        raise Refused(
            " ".join(hole.what for hole in looked.holes),
            cause="What the gate says would not be what it does.",
            remedy=looked.holes[0].remedy,
        )
    names = frozenset({*looked.constraints, stages.PREVIEW})
    proved = proof.prove_closed_by_absent_image(cluster, namespace, names, preview=True)
    if isinstance(proved, OutsideError):
        raise proved
    if not isinstance(proved, proof.GateProof):
        raise Refused(
            f"The installed gate does not tell what it would refuse in {namespace}. {proved.what}",
            cause="It was put into its stage by other means, or by an earlier version of s3c.",
            remedy="Give it its stage with `s3c gate install --mode`, or judge by `policy`.",
        )
    return InstalledGate(cluster=cluster, namespace=namespace, constraints=names)


def promote(options: GateInputs, context: Context, cluster: Cluster, started: float) -> Outcome:
    """Take the gate, or namespaces, to the next stage, when nothing would be refused there but what is named.

    Raises:
        InputError: an input is wrong, or there is no next stage.
        Refused: something that is not named would be refused; nothing was changed.
        OutsideError: the cluster does not answer; nothing was changed.
    """
    live = [
        constraint for constraint, _ in constraints.list_constraints(cluster) if constraint["kind"] == CONSTRAINT_KIND
    ]
    promotion = promote_gate.plan(live, options.namespaces, cluster.address)
    others = () if options.namespaces else tuple(promotion.before.named)
    entry = look(options, context, cluster, options.namespaces, without=others, installed=True)
    exceptions = promote_gate.find_exceptions(entry, options.except_)
    tools = promote_gate.PromoteTools(
        cluster=cluster, namespace=options.namespace or cluster.namespace, progress=context.progress
    )
    result: DeployResult = promote_gate.run(promotion, exceptions, tools)
    outcome = deploy_outcome("gate", result, {}, time.monotonic() - started)
    if result.failure is not None:
        return outcome
    where = ", ".join(options.namespaces) or "the gate"
    excepted = f"; {counted(len(exceptions), 'image')} named that it may refuse" if exceptions else ""
    return msgspec.structs.replace(
        outcome,
        preview=entry,
        text=f"✔ {where} of {cluster.address} is in the stage {promotion.stage} now{excepted}; the stages are "
        f"{promotion.after.describe()}\n",
    )


def update_issue(options: GateInputs, context: Context, entry: PreviewEntry) -> str:
    """Open, update or close the issue, and return its address; errors as `wiring.issues.update_issue`."""
    kept = KeptIssue(
        command=NAME,
        repository=options.repository,
        open=not views.is_clean(entry),
        title=views.issue_title(entry),
        render=lambda url: views.render_issue(entry, run_url=url),
        closing=f"Of the {counted(len(entry.images), 'image')} that the cluster uses, none would be refused.",
        labels=options.issue_labels,
    )
    _, url = issues.update_issue(kept, options, context)
    return url
