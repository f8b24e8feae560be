"""Inputs of `fleet report`."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import OutputOptions, TimeoutOptions, path_lines, path_text
from s3c_actions.options.declare import Input
from s3c_actions.options.fleet import PlanOptions, WaitOptions
from s3c_actions.options.github import CommentInputs, RepositoryOptions, TokenOptions
from s3c_actions.options.parse import boolean, integer
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.refresh import RefreshInputs
from s3c_actions.options.registry import CredentialOptions, NotationOptions
from s3c_actions.options.report import PolicyOptions


class FleetReportInputs(
    PlanOptions,
    WaitOptions,
    PolicyOptions,
    RepositoryOptions,
    TokenOptions,
    NotationOptions,
    OutputOptions,
):
    """The inputs of `fleet report`."""

    results: Input[tuple[str, ...]] = replace(
        CommentInputs.results,
        help="What the shards left: their `result.json` files, or folders that have some, with the reports beside "
        "them. Results of `deploy` and `gate` add what the cluster admits, those of `policy` and "
        "`exception list` the break-glass exceptions. Of a published plan, the results that are "
        "published beside it are taken as well.",
        positional=False,
        basic=("fleet report",),
    )
    patched: Input[tuple[str, ...]] = Input(
        name="patched",
        metavar="FOLDER",
        help="What shards left that patched without a key, when others signed: `result.json` files, or folders that "
        "have some. They say what was fixed; only `results` say what passed.",
        parse=path_lines,
        absent=(),
        many=True,
        example="patched/",
    )
    earlier_report = Input(
        name="earlier-report",
        basic=("fleet report",),
        metavar="REPORT",
        help="An earlier `fleet-report.json`, whose trend goes on: a file's path, or `oci://registry/repository:tag`. "
        "Of a published plan, the report kept by `publish-report` is found by itself.",
        parse=path_text,
        absent="",
        example="last-night/fleet-report.json",
    )
    publish_report = Input(
        name="publish-report",
        basic=("fleet report",),
        help="Keep the report in the registry, beside the published plan and by the plan's tag with `-report` after "
        "it, for the trend of the next one.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    wait = replace(
        WaitOptions.wait,
        help="How long to wait for a published plan and the results of its shards; those that are missing then are "
        "failures in the report. `0` does not wait.",
    )
    policy = replace(
        PolicyOptions.policy,
        help="The policy of the images for which `fleet.yaml` names none: the report lists its exceptions that end "
        "soon, and what it will refuse. It decides nothing here.",
    )
    forecast_days = Input(
        name="forecast-days",
        metavar="DAYS",
        help="Tell which images their policy refuses at the next start, now or within so many days: a grace, an "
        "exception, a signature or a report that nothing renews ends. Judges the evidence beside each image whose "
        "policy names signers, and its break-glass exceptions. `0` asks no registry about images.",
        parse=integer(0, 3650),
        default="14",
        absent=14,
    )
    issue = replace(
        RefreshInputs.issue,
        basic=("fleet report",),
        help="Keep one issue on what waits for a decision: opened, updated in place, and closed when nothing is left. "
        "Needs the permission `issues: write`.",
    )
    issue_labels = RefreshInputs.issue_labels
    code_scanning = Input(
        name="code-scanning",
        basic=("fleet report",),
        help="Upload the images' SARIF reports to code scanning, each image and platform as a category of its own, "
        "many in one upload. Needs the permission `security-events: write`. A failed upload is reported, and "
        "changes no verdict.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    order = (
        PlanOptions.plan,
        results,
        patched,
        earlier_report,
        publish_report,
        wait,
        policy,
        forecast_days,
        issue,
        issue_labels,
        code_scanning,
        RepositoryOptions.repository,
        TokenOptions.github_token,
        *CredentialOptions.own(),
        *IdentityOptions.own(),
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
        TimeoutOptions.timeout,
        OutputOptions.output_dir,
    )


COMMAND = Command(
    name="fleet report",
    help="Tells what a fleet's images have come to: joins the plan with the results of its shards into one result, a "
    "summary, a page, figures for Prometheus and one issue. An image without a result is a failure.",
    options=FleetReportInputs,
    implementation="s3c_actions.commands.fleet_report:run",
    examples=(
        "s3c fleet report --plan plan.json --results shards/",
        "s3c fleet report --plan oci://registry.example/fleet/plan:nightly --publish-report",
        "s3c fleet report --plan plan.json --results shards/ --earlier-report last/fleet-report.json --issue",
    ),
)
