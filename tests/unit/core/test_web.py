"""HTTP sessions: ~/.netrc is never read, credentials stay with the host they are for, and nobody makes another kind."""

import ast
import io
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

import s3c_actions
from s3c_actions.core import web
from tests.support.sources import nodes, tree

PRODUCT = Path(s3c_actions.__file__).parent
NETRC = "default login somebody password of-the-netrc\nmachine api.example login me password of-the-netrc\n"
MAKES = {"Session", "session", "request", "get", "post", "put", "patch", "delete", "head", "options"}


class Answers(HTTPAdapter):
    """Answers from a table, and keeps what was sent."""

    def __init__(self, table):
        super().__init__()
        self.table, self.sent = table, []

    def send(self, request, *_, **__):
        self.sent.append(request)
        answer = requests.Response()
        answer.status_code, location = self.table[request.url]
        answer.headers["Location"] = location
        answer.request, answer.url, answer.raw = request, request.url, io.BytesIO(b"")
        return answer


def asked(table, monkeypatch, tmp_path, **named):
    """What was sent as `Authorization` on the way, by address."""
    for name in (".netrc", "_netrc", "other"):
        (tmp_path / name).write_text(NETRC)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "other"))
    answers = Answers(table)
    with web.create_session() as session:
        session.mount("https://", answers)
        session.mount("http://", answers)
        session.request("GET", next(iter(table)), **named)
    return {request.url: request.headers.get("Authorization") for request in answers.sent}


ELSEWHERE = {"https://api.example/a": (307, "https://storage.example/b"), "https://storage.example/b": (200, "")}


def test_a_request_without_credentials_gets_none(monkeypatch, tmp_path):
    assert set(asked(ELSEWHERE, monkeypatch, tmp_path).values()) == {None}


def test_credentials_stay_with_their_host(monkeypatch, tmp_path):
    sent = asked(ELSEWHERE, monkeypatch, tmp_path, headers={"Authorization": "Bearer for-the-api"})
    assert sent == {"https://api.example/a": "Bearer for-the-api", "https://storage.example/b": None}


@pytest.mark.parametrize("to", ["http://api.example/b", "https://api.example:8443/b", "https://api.example.evil/b"])
def test_credentials_go_to_no_lesser_address_of_the_same_name(to, monkeypatch, tmp_path):
    table = {"https://api.example/a": (302, to), to: (200, "")}
    assert asked(table, monkeypatch, tmp_path, headers={"Authorization": "Bearer x"})[to] is None


def test_credentials_follow_within_their_host(monkeypatch, tmp_path):
    table = {"https://api.example/a": (302, "/b"), "https://api.example/b": (200, "")}
    assert set(asked(table, monkeypatch, tmp_path, headers={"Authorization": "Bearer x"}).values()) == {"Bearer x"}


def test_credentials_in_an_address_are_those_of_the_request(monkeypatch, tmp_path):
    address = "https://me:word@mirror.example/a"
    assert asked({address: (200, "")}, monkeypatch, tmp_path) == {address: "Basic bWU6d29yZA=="}


def test_proxies_and_authorities_are_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/own-ca.pem")
    with web.create_session() as session:
        settings = session.merge_environment_settings("https://api.example/", {}, None, None, None)
    assert (settings["proxies"]["https"], settings["verify"]) == ("http://proxy.example:3128", "/etc/own-ca.pem")


def test_sessions_are_made_in_one_place():
    """Whoever calls `requests.get`, or gives Azure's libraries a transport of their own, reads ~/.netrc."""
    # response_limits.py limits what http.client reads, and asks nothing itself.
    exempt = {PRODUCT / "core" / name for name in ("libraries.py", "response_limits.py", "web.py")}
    paths = set(PRODUCT.rglob("*.py"))
    assert exempt < paths
    assert [
        f"{path.relative_to(PRODUCT)}:{node.lineno}: make it with web.create_session()"
        for path in sorted(paths - exempt)
        for node in nodes(path)
        if isinstance(node, ast.stmt | ast.expr) and _makes_a_session(node, path)
    ] == []


def _makes_a_session(node, path):
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "requests" and node.attr in MAKES
    if isinstance(node, ast.Import | ast.ImportFrom):
        module, names = getattr(node, "module", None) or "", {alias.name for alias in node.names}
        if module in {"requests", "requests.sessions", "requests.api"} and MAKES & names:
            return not _only_types(tree(path), node)
        return bool({"urllib.request", "http.client", "http_client", "httpx", "aiohttp"} & {*names, module})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        given, name = {keyword.arg for keyword in node.keywords}, node.func.id
        if name == "RequestsTransport":
            return "session" not in given
        if name.endswith(("Credential", "Client")) and _of_azure(tree(path), name):
            return "transport" not in given and name != "AzureCliCredential"
    return False


@pytest.mark.parametrize(
    ("code", "makes_session"),
    [
        ("requests.get('https://api.example/')", True),
        ("requests.RequestException", False),
        ("from requests import Session", True),
        ("if TYPE_CHECKING:\n    from requests import Session", False),
        ("import http.client", True),
        ("from s3c_actions.core.libraries import http_client", True),
        ("from urllib.request import urlopen", True),
        ("from azure.core.pipeline.transport import RequestsTransport\nRequestsTransport()", True),
        ("from azure.core.pipeline.transport import RequestsTransport\nRequestsTransport(session=session)", False),
        ("from azure.identity import ClientSecretCredential\nClientSecretCredential()", True),
        ("from azure.identity import ClientSecretCredential\nClientSecretCredential(transport=transport)", False),
        ("from azure.identity import AzureCliCredential\nAzureCliCredential()", False),
    ],
)
def test_a_session_that_is_made_elsewhere_is_noticed(code, makes_session, tmp_path):
    path = tmp_path / "module.py"
    path.write_text(code)
    assert any(_makes_a_session(node, path) for node in nodes(path)) is makes_session


def _only_types(tree, node):
    return any(
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Name)
        and statement.test.id == "TYPE_CHECKING"
        and node in statement.body
        for statement in ast.walk(tree)
    )


def _of_azure(tree, name):
    return any(
        isinstance(statement, ast.ImportFrom)
        and (statement.module or "").startswith("azure")
        and name in {alias.name for alias in statement.names}
        for statement in ast.walk(tree)
    )
