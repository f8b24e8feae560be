"""The headings under which help texts, action.yml and READMEs list the inputs of a command that has many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from s3c_actions.options import (
    azure,
    base_image,
    chain,
    common,
    deploy,
    diff,
    doctor,
    evidence,
    exception,
    exception_grant,
    exception_revoke,
    exploitation,
    find,
    fleet,
    fleet_manifests,
    fleet_plan,
    fleet_report,
    fleet_run,
    gate,
    github,
    github_records,
    mirror,
    patch,
    policy,
    programs,
    propose,
    refresh,
    report,
    scan,
    sign,
    smoke,
    trust,
    trusted_signers,
    vault,
)
from s3c_actions.options.declare import Input
from s3c_actions.options.registry import CredentialOptions
from s3c_actions.options.sign import KeyOptions

MANY = 13
"""Minimum number of inputs of a command for which they are grouped."""

_IMAGE = (
    find.FindInputs.query,
    common.ImageOptions.image,
    scan.ScanInputs.input,
    scan.ScanInputs.image_source,
    common.PlatformOptions.platform,
    diff.DiffInputs.before,
    diff.DiffInputs.after,
    chain.ChainInputs.patch,
    chain.ChainInputs.sign,
    chain.ChainInputs.deploy,
    doctor.DoctorInputs.push,
    smoke.SmokeInputs.original,
    smoke.SmokeInputs.compared,
    mirror.MirrorInputs.source,
    mirror.MirrorInputs.target,
    mirror.MirrorInputs.source_image,
    mirror.MirrorInputs.platforms,
    mirror.MirrorInputs.referrers,
)
_FLEET = (
    fleet.FleetOptions.fleet,
    fleet_plan.FleetPlanInputs.shards,
    fleet_plan.FleetPlanInputs.publish,
    fleet_plan.FleetPlanInputs.keep_published,
    fleet_plan.FleetPlanInputs.prune_plans,
    fleet_plan.FleetPlanInputs.everything,
    fleet_plan.FleetPlanInputs.snapshot,
    fleet_plan.FleetPlanInputs.save_snapshot,
    fleet_plan.FleetPlanInputs.import_copa,
    fleet_plan.FleetPlanInputs.schema,
    fleet_run.FleetRunInputs.shard,
    fleet_run.FleetRunInputs.wait,
    fleet_run.FleetRunInputs.publish_result,
    fleet_run.FleetRunInputs.patched,
    fleet_run.FleetRunInputs.retries,
    fleet.PlanOptions.plan,
    fleet_report.FleetReportInputs.earlier_report,
    fleet_report.FleetReportInputs.publish_report,
    fleet_report.FleetReportInputs.forecast_days,
)
_TASKS = (
    gate.GateInputs.task,
    policy.PolicyInputs.task,
    trust.TrustInputs.task,
    programs.ProgramsInputs.subcommand,
    programs.ProgramsInputs.program,
    github.UploadInputs.sarif,
)
_FROM = (deploy.DeployInputs.image, find.FindInputs.plan, refresh.RefreshInputs.namespaces)
_EXCEPTION: tuple[Input[Any], ...] = (
    exception_grant.ExceptionGrantInputs.findings,
    exception_grant.ExceptionGrantInputs.until,
    exception_revoke.ExceptionRevokeInputs.exceptions,
    *exception.ExceptionStatementOptions.own(),
)
_GATE = (
    report.ThresholdOptions.fail_on,
    report.ThresholdOptions.fixable_only,
    base_image.BaseImageOptions.base_image,
    base_image.BaseImageOptions.scope,
    base_image.BaseAdviceOptions.base_advice,
    base_image.CandidateOptions.candidates,
    report.PolicyOptions.policy,
    report.UnscannedOptions.unscanned,
    report.ExitCodeOptions.exit_code,
    scan.BaselineOptions.baseline,
    report.BaselineNameOptions.baseline_name,
    github.GatingOptions.gate_label,
)
_REPORTS = (
    find.FindInputs.index,
    find.FindInputs.publish_index,
    find.FindInputs.require_complete,
    report.FormatOptions.format,
    report.ReportFileOptions.output,
    common.OutputOptions.output_dir,
    report.CodeScanningOptions.dockerfile,
    report.CodeScanningOptions.sarif_category,
    evidence.EarlierOptions.results,
    evidence.EarlierOptions.report,
)
_CLUSTER = (
    gate.GateInputs.mode,
    gate.GateInputs.except_,
    gate.GateInputs.exempt_namespaces,
    gate.GateInputs.allow_tags,
    gate.GateInputs.gatekeeper_chart,
    gate.GateInputs.gatekeeper_values,
    gate.GateInputs.ratify_chart,
    gate.GateInputs.ratify_values,
    gate.GateInputs.for_,
    gate.GateInputs.reason,
    gate.GateInputs.end,
    gate.GateInputs.yes,
)
_ELSEWHERE = {"namespace", "client-id", "tenant-id", "vault", "vault-certificate", "buildkit-config"}
_IN_KUBERNETES = tuple(option for option in fleet_manifests.FleetManifestsInputs.order if option.name not in _ELSEWHERE)
_CONVERSATION = (
    *github.CommentingOptions.inputs(),
    github.CommentInputs.merge,
    github.CommentInputs.from_run,
    github.CommentInputs.pull_request,
    propose.ProposeInputs.branch,
    propose.ProposeInputs.base,
    propose.ProposeInputs.title,
    refresh.RefreshInputs.issue,
    refresh.RefreshInputs.issue_labels,
)
_PROGRAMS = (
    *programs.TrivyProgram.own(),
    *programs.CopaProgram.own(),
    *programs.NotationProgram.own(),
    *programs.BuildkitdProgram.own(),
    *programs.HelmProgram.own(),
    programs.ProgramsMirror.programs_mirror,
    common.TimeoutOptions.timeout,
    *common.JobOptions.own(),
)

GROUPS: tuple[tuple[str, tuple[Input[Any], ...]], ...] = (
    ("Task", _TASKS),
    ("Fleet", (*_FLEET, *_IN_KUBERNETES)),
    ("Image", (*_IMAGE, *_FROM)),
    ("Exception", _EXCEPTION),
    ("Gate", _GATE),
    ("Scan", tuple(option for option in scan.SCOPE_INPUTS if option is not report.UnscannedOptions.unscanned)),
    ("Exploitation", exploitation.ExploitationOptions.inputs()),
    ("Reports", _REPORTS),
    ("Patch", (patch.PatchInputs.reuse_patched, *patch.PATCH_INPUTS)),
    (
        "Registry",
        (
            *CredentialOptions.own(),
            mirror.MirrorInputs.source_username,
            mirror.MirrorInputs.source_password,
            mirror.MirrorInputs.source_insecure,
        ),
    ),
    ("Key and signature", (*sign.KEY_INPUTS, *sign.SIGNATURE_INPUTS)),
    ("Evidence", (*evidence.EvidenceOptions.own(), evidence.EarlierOptions.openvex)),
    (
        "Trust",
        (
            *trusted_signers.TrustOptions.own(),
            trust.TrustInputs.trust_name,
            trust.TrustInputs.registry_scope,
            policy.PolicyInputs.at,
            policy.PolicyInputs.ratify,
        ),
    ),
    ("Deployment", (deploy.ManifestOptions.manifests, *deploy.DEPLOY_INPUTS, *_CLUSTER)),
    (
        "GitHub",
        (
            *_CONVERSATION,
            github.RepositoryOptions.repository,
            github.UploadInputs.commit,
            github.UploadInputs.ref,
            github.UploadInputs.checkout_path,
            github.UploadInputs.wait,
            common.AnnotationOptions.annotations,
            common.UploadOptions.upload_sarif,
            github.UPLOAD_REQUIRED,
            fleet_report.FleetReportInputs.code_scanning,
            *github_records.GitHubRecordOptions.own(),
            common.SubmitOptions.submit_dependencies,
            common.CACHE,
            common.KEEP_TRACE,
        ),
    ),
    (
        "Azure",
        (
            *azure.IdentityOptions.own(),
            *vault.VaultCertificateOptions.own(),
            KeyOptions.vault_plugin,
            gate.GateInputs.ratify_client_id,
        ),
    ),
    ("Programs", _PROGRAMS),
)
"""Heading → its inputs, in the order of the lists. The last group that names an input counts: a vault's certificate is
used to sign and to verify, and is in the group of Azure."""

_PLACE = {option.name: (heading, place) for heading, inputs in GROUPS for place, option in enumerate(inputs)}


def grouped(inputs: Iterable[Input[Any]]) -> list[tuple[str, list[Input[Any]]]]:
    """Return heading and inputs of each group, in the order of GROUPS; few inputs are one group without a heading.

    Raises:
        KeyError: an input has no group.
    """
    options = list(inputs)
    if len(options) < MANY:
        return [("", options)]
    groups: dict[str, list[Input[Any]]] = {heading: [] for heading, _ in GROUPS}
    for option in options:
        groups[_PLACE[option.name][0]].append(option)
    return [
        (heading, sorted(members, key=lambda option: _PLACE[option.name]))
        for heading, members in groups.items()
        if members
    ]
