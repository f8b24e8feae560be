"""What the stand-in answers, call by call: GitHub's own examples, filled with what it remembers."""

from __future__ import annotations

import base64
import gzip
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

from tests.support.github import git
from tests.support.github.code_scanning import Refused, ingest
from tests.support.github.contract import Forbidden, Missing
from tests.support.github.state import PROTECTED, Artifact, Comment, Environment, Issue, Pull, State, Token, Upload

if TYPE_CHECKING:
    from tests.support.github.server import Answered, GitHub

REPO = "/repos/{owner}/{repo}"
COMMENTS = f"{REPO}/issues/{{issue_number}}/comments"
ISSUES = f"{REPO}/issues"
ISSUE = f"{ISSUES}/{{issue_number}}"
COMMENT = f"{REPO}/issues/comments/{{comment_id}}"
LABELS = f"{REPO}/issues/{{issue_number}}/labels"
EVENTS = f"{REPO}/issues/{{issue_number}}/events"
PERMISSION = f"{REPO}/collaborators/{{username}}/permission"
ENVIRONMENT = f"{REPO}/environments/{{environment_name}}"
BRANCH_POLICIES = f"{ENVIRONMENT}/deployment-branch-policies"
BRANCH = f"{REPO}/branches/{{branch}}"
PULLS = f"{REPO}/pulls"
PULL = f"{REPO}/pulls/{{pull_number}}"
SARIFS = f"{REPO}/code-scanning/sarifs"
SARIF = f"{SARIFS}/{{sarif_id}}"
SNAPSHOTS = f"{REPO}/dependency-graph/snapshots"
ALERTS = f"{REPO}/code-scanning/alerts"
METADATA = "/orgs/{org}/artifacts/metadata"
DEPLOYMENTS = f"{METADATA}/deployment-record/cluster/{{cluster}}"
STORAGE = f"{METADATA}/storage-record"
ARTIFACTS = f"{REPO}/actions/runs/{{run_id}}/artifacts"
ARCHIVE = f"{REPO}/actions/artifacts/{{artifact_id}}/{{archive_format}}"
COMMIT = f"{REPO}/commits/{{ref}}"
BODY_CHARACTERS = 65_536
SARIF_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One call, as a route sees it."""

    github: GitHub
    token: Token
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any

    @property
    def state(self) -> State:
        """What is remembered."""
        return self.github.state

    def needs(self, *any_of: str) -> None:
        """End the call when the token has none of these permissions."""
        if not self.token.may(*any_of):
            self.ends(403, "Resource not accessible by integration")

    def ends(self, status: int, message: str, **more: Any) -> NoReturn:
        """End the call with an error."""
        from tests.support.github.server import Answered

        raise Answered(status, {"message": message, "documentation_url": "https://docs.github.com/rest", **more})

    def pull(self, name: str = "issue_number") -> Pull:
        """The pull request that the path names."""
        return self.state.pulls.get(int(self.path[name])) or self.ends(404, "Not Found")

    def conversation(self) -> Pull | Issue:
        """The pull request or issue that the path names."""
        number = int(self.path["issue_number"])
        return self.state.issues.get(number) or self.pull()

    def comment(self) -> Comment:
        """The comment that the path names."""
        return self.state.comments.get(int(self.path["comment_id"])) or self.ends(404, "Not Found")

    def page(self, items: list[Any]) -> Any:
        """One page of a list, with the addresses of the others in its Link header."""
        from tests.support.github.server import Answered

        size = min(100, int(self.query.get("per_page", ["30"])[0]))
        number = int(self.query.get("page", ["1"])[0])
        last = max(1, -(-len(items) // size))
        call = self.github.calls[-1]
        more = "".join(f"&{key}={value[0]}" for key, value in self.query.items() if key not in {"page", "per_page"})
        address = f"{self.github.api}{call.path}?per_page={size}{more}&page="
        links = {"next": number + 1, "last": last} if number < last else {}
        if number > 1:
            links |= {"prev": number - 1, "first": 1}
        header = ", ".join(f'<{address}{page}>; rel="{rel}"' for rel, page in links.items())
        shown = items[(number - 1) * size : number * size]
        return Answered(200, shown, {"Link": header} if header else {})


def _get_repository(request: Request) -> None:
    wanted = f"{request.path['owner']}/{request.path['repo']}"
    if wanted != request.state.repository:
        request.ends(404, "Not Found")


def _list_comments(request: Request) -> Any:
    number = request.pull().number
    since = datetime.fromisoformat(request.query.get("since", ["1970-01-01T00:00:00Z"])[0])
    comments = [comment for comment in request.state.of(number) if comment.updated >= since]
    return request.page([_comment(request.github, comment) for comment in comments])


def _create_comment(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("pull-requests:write", "issues:write")
    conversation = request.conversation()
    if conversation.locked:
        request.ends(403, "Unable to create comment because issue is locked.")
    comment = request.state.comment(conversation.number, _body(request), request.token.login)
    return Answered(201, _comment(request.github, comment))


def _list_issues(request: Request) -> Any:
    """Pull requests are among them."""
    state = request.query.get("state", ["open"])[0]
    issues: list[Issue | Pull] = [*request.state.issues.values(), *request.state.pulls.values()]
    shown = [issue for issue in issues if state in {"all", issue.state}]
    oldest_first = request.query.get("direction", ["desc"])[0] == "asc"
    shown.sort(key=lambda issue: issue.number, reverse=not oldest_first)
    return request.page([_issue(request.github, issue) for issue in shown])


def _create_issue(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("issues:write")
    body = _body(request)
    issue = request.state.issue(request.body["title"], body, request.token.login)
    issue.labels = [label if isinstance(label, str) else label["name"] for label in request.body.get("labels", [])]
    return Answered(201, _issue(request.github, issue))


def _edit_issue(request: Request) -> Any:
    request.needs("issues:write")
    issue = request.state.issues.get(int(request.path["issue_number"])) or request.ends(404, "Not Found")
    if "body" in request.body:
        issue.body = _body(request)
    issue.title = request.body.get("title", issue.title)
    issue.state = request.body.get("state", issue.state)
    issue.reason = request.body.get("state_reason", issue.reason)
    return _issue(request.github, issue)


def _issue(github: GitHub, issue: Issue | Pull) -> dict[str, Any]:
    answer: dict[str, Any] = github.described.example(ISSUES)[0]
    address = f"{github.url}/{github.state.repository}"
    answer |= {
        "number": issue.number,
        "id": issue.number,
        "url": f"{github.api}/repos/{github.state.repository}/issues/{issue.number}",
        "html_url": f"{address}/{'issues' if isinstance(issue, Issue) else 'pull'}/{issue.number}",
        "title": issue.title,
        "state": issue.state,
        "locked": issue.locked,
        "labels": [{**answer["labels"][0], "name": name} for name in issue.labels],
    }
    if isinstance(issue, Issue):
        answer |= {"body": issue.body, "user": {**answer["user"], "login": issue.author}, "state_reason": issue.reason}
        answer.pop("pull_request", None)
    return answer


def _get_comment(request: Request) -> Any:
    return _comment(request.github, request.comment())


def _edit_comment(request: Request) -> Any:
    request.needs("pull-requests:write", "issues:write")
    comment = request.comment()
    if comment.author != request.token.login and not request.token.may("administration:write"):
        request.ends(403, "Must have admin rights to Repository.")
    comment.body = _body(request)
    comment.updated = datetime.now(UTC).replace(microsecond=0)
    return _comment(request.github, comment)


def _delete_comment(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("pull-requests:write", "issues:write")
    del request.state.comments[request.comment().id]
    return Answered(204)


def _body(request: Request) -> str:
    body: str = request.body["body"]
    if len(body) > BODY_CHARACTERS:
        too_long = {"resource": "IssueComment", "code": "unprocessable", "field": "data"}
        request.ends(
            422,
            "Validation Failed",
            errors=[{**too_long, "message": "Body is too long (maximum is 65536 characters)"}],
        )
    return body


def _comment(github: GitHub, comment: Comment) -> dict[str, Any]:
    state = github.state
    example: dict[str, Any] = github.described.example(COMMENTS, "post", 201)
    minimized = {"reason": comment.minimized.lower()} if comment.minimized else None
    return {
        **example,
        "id": comment.id,
        "node_id": f"IC_{comment.id}",
        "url": f"{github.api}/repos/{state.repository}/issues/comments/{comment.id}",
        "html_url": _page(github, comment),
        "issue_url": f"{github.api}/repos/{state.repository}/issues/{comment.number}",
        "body": comment.body,
        "user": {
            **example["user"],
            "login": comment.author,
            "type": "Bot" if comment.author.endswith("[bot]") else "User",
        },
        "created_at": _time(comment.created),
        "updated_at": _time(comment.updated),
        **({"minimized": minimized} if "minimized" in example else {}),
    }


def _page(github: GitHub, comment: Comment) -> str:
    return f"{github.url}/{github.state.repository}/pull/{comment.number}#issuecomment-{comment.id}"


def _list_labels(request: Request) -> Any:
    return request.page([_label(request, name) for name in request.pull().labels])


def _add_labels(request: Request) -> Any:
    request.needs("pull-requests:write", "issues:write")
    pull = request.pull()
    given = request.body["labels"] if isinstance(request.body, dict) else request.body
    pull.labels += [
        name for label in given if (name := label if isinstance(label, str) else label["name"]) not in pull.labels
    ]
    return [_label(request, name) for name in pull.labels]


def _label(request: Request, name: str) -> dict[str, Any]:
    return {**request.github.described.example(LABELS)[0], "name": name}


def _list_events(request: Request) -> Any:
    request.needs("pull-requests:read", "issues:read")
    example = request.github.described.example(EVENTS)[0]
    return request.page(
        [
            {
                **example,
                "id": number,
                "event": event,
                "actor": {**example["actor"], "login": by},
                "label": {"name": name, "color": "red"},
            }
            for number, (event, name, by) in enumerate(request.pull().labelled, 1)
        ]
    )


def _permission(request: Request) -> Any:
    role = request.state.roles.get(request.path["username"]) or request.ends(404, "Not Found")
    legacy = {"maintain": "write", "triage": "read"}.get(role, role)
    example = request.github.described.example(PERMISSION)
    # GitHub's example leaves out what its description asks for.
    return {**example, "permission": legacy, "role_name": role, "user": {**example["user"], "role_name": role}}


def _get_environment(request: Request) -> Any:
    rules = _environment(request)
    example = request.github.described.example(ENVIRONMENT)
    rule = {"id": 1, "node_id": "GA_1"}
    kinds: list[dict[str, Any]] = [rule | {"type": "wait_timer", "wait_timer": 5}]
    if rules.reviewers:
        kinds.append(rule | {"type": "required_reviewers", "prevent_self_review": False, "reviewers": []})
    if rules.branches is not None:
        kinds.append(rule | {"type": "branch_policy"})
    protected = rules.branches == PROTECTED
    policy = {"protected_branches": protected, "custom_branch_policies": not protected}
    return {
        **example,
        "name": request.path["environment_name"],
        "protection_rules": kinds,
        "deployment_branch_policy": None if rules.branches is None else policy,
    }


def _list_branch_policies(request: Request) -> Any:
    patterns = _environment(request).branches or ()
    listed = [{"id": number, "node_id": "x", "name": name, "type": "branch"} for number, name in enumerate(patterns)]
    return {"total_count": len(listed), "branch_policies": listed}


def _environment(request: Request) -> Environment:
    request.needs("actions:read")
    name = unquote(request.path["environment_name"])
    return request.state.environments.get(name) or request.ends(404, "Not Found")


def _get_branch(request: Request) -> Any:
    request.needs("contents:read")
    name = unquote(request.path["branch"])
    if name not in request.state.git.branches:
        request.ends(404, "Branch not found")
    example = request.github.described.example(BRANCH)
    return {**example, "name": name, "protected": name in request.state.protected}


def _list_pulls(request: Request) -> Any:
    state = request.query.get("state", ["open"])[0]
    head, base = (request.query.get(name, [""])[0] for name in ("head", "base"))
    pulls = [
        pull
        for pull in request.state.pulls.values()
        if state in {"all", pull.state}
        and (not head or head == f"{pull.head_repository.partition('/')[0]}:{pull.branch}")
        and (not base or base == pull.base)
    ]
    return request.page([_pull(request.github, pull, PULLS) for pull in pulls])


def _get_pull(request: Request) -> Any:
    return _pull(request.github, request.pull("pull_number"), PULL)


def _create_pull(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("pull-requests:write")
    body, state = request.body, request.state
    if body["head"] not in state.git.branches or body["base"] not in state.git.branches:
        request.ends(422, "Validation Failed", errors=[{"resource": "PullRequest", "field": "head", "code": "invalid"}])
    pull = state.pull(
        100 + len(state.pulls),
        branch=body["head"],
        sha=state.git.branches[body["head"]],
        title=body["title"],
        body=body.get("body") or "",
        base=body["base"],
    )
    return Answered(201, _pull(request.github, pull, PULLS, "post", 201))


def _edit_pull(request: Request) -> Any:
    request.needs("pull-requests:write")
    pull = request.pull("pull_number")
    for name in ("title", "body", "state"):
        setattr(pull, name, request.body.get(name, getattr(pull, name)))
    return _pull(request.github, pull, PULL, "patch", 200)


def _get_the_repository(request: Request) -> Any:
    example = json.dumps(request.github.described.example(REPO))
    here = f"{request.github.api}/repos/{request.state.repository}"
    repository: dict[str, Any] = json.loads(example.replace("https://api.github.com/repos/octocat/Hello-World", here))
    owner, name = request.state.repository.split("/")
    for of_a_fork in ("source", "parent", "template_repository"):
        repository.pop(of_a_fork, None)
    whose = {**repository["owner"], "login": owner}
    repository["language"] = None
    return {**repository, "name": name, "full_name": request.state.repository, "owner": whose, "default_branch": "main"}


def _pull(github: GitHub, pull: Pull, template: str, method: str = "get", status: int = 200) -> dict[str, Any]:
    state = github.state
    example = github.described.example(template, method, status)
    example = example[0] if isinstance(example, list) else example
    head_owner, _, name = pull.head_repository.partition("/")
    head = {**example["head"], "label": f"{head_owner}:{pull.branch}", "ref": pull.branch, "sha": pull.sha}
    head["repo"] = {**example["base"]["repo"], "full_name": pull.head_repository, "name": name}
    head["repo"]["fork"] = pull.head_repository != state.repository
    base = {**example["base"], "ref": pull.base, "repo": {**example["base"]["repo"], "full_name": state.repository}}
    return {
        **example,
        "number": pull.number,
        "state": pull.state,
        "locked": pull.locked,
        "title": pull.title,
        "body": pull.body,
        "url": f"{github.api}/repos/{state.repository}/pulls/{pull.number}",
        "html_url": f"{github.url}/{state.repository}/pull/{pull.number}",
        "requested_teams": [],
        "head": head,
        "base": base,
    }


def _upload_sarif(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("security-events:write")
    state = request.state
    if not state.code_scanning:
        request.ends(
            403,
            "Code scanning is not enabled for this repository. Please enable code scanning in the repository settings.",
        )
    packed = base64.b64decode(request.body["sarif"], validate=True)
    if len(packed) > SARIF_BYTES:
        request.ends(413, "SARIF file is too large.")
    try:
        sarif = gzip.decompress(packed)
    except (OSError, EOFError):
        request.ends(400, "Invalid SARIF. The file is not gzipped.")
    upload = Upload(str(uuid.uuid4()), request.body, sarif, state.pending)
    state.uploads[upload.id] = upload
    return Answered(
        202, {"id": upload.id, "url": f"{request.github.api}/repos/{state.repository}/code-scanning/sarifs/{upload.id}"}
    )


def _sarif_status(request: Request) -> Any:
    request.needs("security-events:read")
    upload = request.state.uploads.get(request.path["sarif_id"]) or request.ends(404, "Not Found")
    if upload.pending > 0:
        upload.pending -= 1
        return {"processing_status": "pending"}
    if upload.errors is None:
        upload.errors = _ingest(request.state, upload)
    if upload.errors:
        return {"processing_status": "failed", "errors": upload.errors, "analyses_url": None}
    api = f"{request.github.api}/repos/{request.state.repository}"
    return {"processing_status": "complete", "analyses_url": f"{api}/code-scanning/analyses?sarif_id={upload.id}"}


def _ingest(state: State, upload: Upload) -> list[str]:
    """The reasons for which a file is refused; none when its alerts are kept."""
    try:
        state.ingested = ingest(state.ingested, upload.sarif, ref=upload.request["ref"])
    except Refused as refused:
        return list(refused.errors)
    return []


def _submit_snapshot(request: Request) -> Any:
    """Keep the newest snapshot of a detector and correlator; one without a package of a known kind is invalid."""
    from tests.support.github.server import Answered

    request.needs("contents:write")
    state, body = request.state, request.body
    if not state.dependency_graph:
        request.ends(404, "The Dependency graph is disabled for this repository.")
    resolved = [
        dependency
        for manifest in body.get("manifests", {}).values()
        for dependency in manifest.get("resolved", {}).values()
    ]
    wrong = [dependency for dependency in resolved if not dependency.get("package_url", "").startswith("pkg:")]
    result = "INVALID" if wrong else state.snapshot_result
    if result != "INVALID":
        state.snapshots[body["detector"]["name"], body["job"]["correlator"]] = body
    now = _time(datetime.now(UTC))
    answer = {"id": len(state.snapshots) + 1, "created_at": now, "result": result, "message": "Received."}
    return Answered(201, answer)


def _list_artifacts(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("actions:read")
    name = request.query.get("name", [""])[0]
    run = int(request.path["run_id"])
    artifacts = [
        artifact for artifact in request.state.artifacts if artifact.run == run and name in {"", artifact.name}
    ]
    paged = request.page([_artifact(request.github, artifact) for artifact in artifacts])
    return Answered(200, {"total_count": len(artifacts), "artifacts": paged.body}, paged.headers)


def _artifact(github: GitHub, artifact: Artifact) -> dict[str, Any]:
    example: dict[str, Any] = github.described.example(ARTIFACTS)["artifacts"][0]
    address = f"{github.api}/repos/{github.state.repository}/actions/artifacts/{artifact.id}"
    return {
        **example,
        "id": artifact.id,
        "name": artifact.name,
        "size_in_bytes": len(artifact.data) if artifact.size is None else artifact.size,
        "url": address,
        "archive_download_url": f"{address}/zip",
        "expired": artifact.expired,
        "workflow_run": {**example["workflow_run"], "id": artifact.run},
    }


def _download(request: Request) -> Any:
    from tests.support.github.server import Answered

    request.needs("actions:read")
    wanted = int(request.path["artifact_id"])
    artifact = next(
        (candidate for candidate in request.state.artifacts if candidate.id == wanted), None
    ) or request.ends(404, "Not Found")
    if artifact.expired:
        request.ends(410, "Artifact has expired")
    # Another host than the API's, as GitHub's storage is.
    elsewhere = request.github.url.replace("127.0.0.1", "localhost")
    return Answered(302, headers={"Location": f"{elsewhere}/_blobs/{artifact.id}?sig=signed"})


def blob(state: State, path: str, *, sent: str | None) -> Answered:
    """An archive from its signed address; who sends a token there has given it away."""
    from tests.support.github.server import Answered

    if sent:
        return Answered(400, {"message": "A token was sent to another host."})
    wanted = int(path.rpartition("/")[2])
    return Answered(200, next(artifact.data for artifact in state.artifacts if artifact.id == wanted))


def graphql(github: GitHub, token: Token) -> dict[str, Any]:
    """What queries and mutations get, by GitHub's names."""
    state = github.state

    def minimize(_info: Any, input: Mapping[str, str]) -> dict[str, Any]:  # noqa: A002
        if not token.may("pull-requests:write", "issues:write"):
            raise Forbidden("Resource not accessible by integration")
        comment = state.comments[int(input["subjectId"].removeprefix("IC_"))]
        comment.minimized = str(input["classifier"])
        return {"minimizedComment": {"__typename": "IssueComment", "isMinimized": True, "minimizedReason": "outdated"}}

    def repository(_info: Any, owner: str, name: str, **_more: Any) -> dict[str, Any]:
        if f"{owner}/{name}" != state.repository:
            raise Missing(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return {"pullRequest": pull_request}

    def pull_request(_info: Any, number: int) -> dict[str, Any]:
        if number not in state.pulls:
            raise Missing(f"Could not resolve to a PullRequest with the number of {number}.")
        return {"comments": lambda _info, first, after=None, **_more: page(state.of(number), first, int(after or 0))}

    def page(comments: list[Comment], first: int, start: int) -> dict[str, Any]:
        shown, end = comments[start : start + first], start + first
        return {
            "nodes": [
                {
                    "fullDatabaseId": str(comment.id),
                    "url": _page(github, comment),
                    "body": comment.body,
                    "viewerDidAuthor": comment.author == token.login,
                }
                for comment in shown
            ],
            "pageInfo": {"hasNextPage": end < len(comments), "endCursor": str(end)},
        }

    return {"viewer": {"login": token.login}, "repository": repository, "minimizeComment": minimize}


def _get_user(request: Request) -> Any:
    request.ends(403, "Resource not accessible by integration")


def _rate_limit(request: Request) -> Any:
    answer = request.github.described.example("/rate_limit")
    answer["rate"] |= {"remaining": request.github.limit}
    return answer


def _list_alerts(request: Request) -> Any:
    request.needs("security-events:read")
    if not request.state.code_scanning:
        request.ends(
            403,
            "Code scanning is not enabled for this repository. Please enable code scanning in the repository settings.",
        )
    return request.page(request.state.alerts)


def _get_commit(request: Request) -> Any:
    request.needs("contents:read")
    # The file of GitHub's own example lacks what its schema requires.
    return request.github.described.example(COMMIT) | {"files": []}


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_the_repository(route: Callable[[Request], Any]) -> Callable[[Request], Any]:
    def checked(request: Request) -> Any:
        _get_repository(request)
        return route(request)

    return checked


def _record_deployments(request: Request) -> Any:
    """A repository that is not there, or that the token may not write to, is skipped when a part may be."""
    from tests.support.github.server import Answered

    _of_the_organization(request)
    own = request.state.repository.partition("/")[2]
    body = request.body
    taken = [deployment for deployment in body["deployments"] if deployment.get("github_repository", own) == own]
    refused = [deployment for deployment in body["deployments"] if deployment not in taken]
    if refused and not body.get("partial_success"):
        request.ends(404, "One or more repositories do not exist")
    for deployment in taken:
        key = (request.path["cluster"], body["logical_environment"], deployment["deployment_name"])
        request.state.deployments[key] = deployment
    answer = {"total_count": len(taken)}
    if not refused:
        return Answered(200, answer)
    errors = [{"cause": "not_found", "deployment": deployment} for deployment in refused]
    return Answered(207, {**answer, "errors": errors})


def _record_storage(request: Request) -> Any:
    from tests.support.github.server import Answered

    _of_the_organization(request)
    request.state.storage[request.body["digest"]] = request.body
    return Answered(200, {"total_count": 1})


def _of_the_organization(request: Request) -> None:
    if request.path["org"] != request.state.repository.partition("/")[0] or not request.state.organization:
        request.ends(404, "Not Found")
    request.needs("artifact-metadata:write")


ROUTES: dict[tuple[str, str], Callable[[Request], Any]] = {
    ("get", "/user"): _get_user,
    ("get", "/rate_limit"): _rate_limit,
    ("post", DEPLOYMENTS): _record_deployments,
    ("post", STORAGE): _record_storage,
    **{
        (method, template): _of_the_repository(route)
        for method, template, route in (
            ("get", COMMENTS, _list_comments),
            ("post", COMMENTS, _create_comment),
            ("get", COMMENT, _get_comment),
            ("patch", COMMENT, _edit_comment),
            ("delete", COMMENT, _delete_comment),
            ("get", ISSUES, _list_issues),
            ("post", ISSUES, _create_issue),
            ("patch", ISSUE, _edit_issue),
            ("get", LABELS, _list_labels),
            ("post", LABELS, _add_labels),
            ("get", EVENTS, _list_events),
            ("get", PERMISSION, _permission),
            ("get", PULLS, _list_pulls),
            ("get", PULL, _get_pull),
            ("get", ENVIRONMENT, _get_environment),
            ("get", BRANCH_POLICIES, _list_branch_policies),
            ("get", BRANCH, _get_branch),
            ("post", SARIFS, _upload_sarif),
            ("get", SARIF, _sarif_status),
            ("post", SNAPSHOTS, _submit_snapshot),
            ("get", ALERTS, _list_alerts),
            ("get", ARTIFACTS, _list_artifacts),
            ("get", ARCHIVE, _download),
            ("get", REPO, _get_the_repository),
            ("get", COMMIT, _get_commit),
            ("post", PULLS, _create_pull),
            ("patch", PULL, _edit_pull),
            *git.ROUTES,
        )
    },
}
