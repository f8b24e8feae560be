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
    return {one.url: one.headers.get("Authorization") for one in answers.sent}


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


@pytest.mark.parametrize("path", sorted(PRODUCT.rglob("*.py")), ids=lambda path: str(path.relative_to(PRODUCT)))
def test_sessions_are_made_in_one_place(path):
    """Whoever calls `requests.get`, or gives Azure's libraries a transport of their own, reads ~/.netrc."""
    # answers.py limits what http.client reads, and asks nothing itself.
    if path in {PRODUCT / "core" / "web.py", PRODUCT / "core" / "response_limits.py"}:
        return
    module = tree(path)
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "requests":
            assert node.attr not in MAKES, f"line {node.lineno}: make it with web.session()"
        if isinstance(node, ast.ImportFrom) and node.module in {"requests", "requests.sessions", "requests.api"}:
            assert not MAKES & {one.name for one in node.names} or _only_types(module, node), f"line {node.lineno}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = {one.name for one in node.names} | {getattr(node, "module", None) or ""}
            assert not {"urllib.request", "http.client", "httpx", "aiohttp"} & named, f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given = {one.arg for one in node.keywords}
            if node.func.id == "RequestsTransport":
                assert "session" in given, f"line {node.lineno}"
            if node.func.id.endswith(("Credential", "Client")) and _of_azure(module, node.func.id):
                assert "transport" in given or node.func.id == "AzureCliCredential", f"line {node.lineno}"


def _only_types(tree, node):
    return any(
        isinstance(one, ast.If)
        and isinstance(one.test, ast.Name)
        and one.test.id == "TYPE_CHECKING"
        and node in one.body
        for one in ast.walk(tree)
    )


def _of_azure(tree, name):
    return any(
        isinstance(one, ast.ImportFrom)
        and (one.module or "").startswith("azure")
        and name in {n.name for n in one.names}
        for one in ast.walk(tree)
    )
