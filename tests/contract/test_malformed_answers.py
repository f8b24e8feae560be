"""Answers that are none of GitHub's, as proxies and servers of another age give: explained, and never a bug of s3c."""

import io
import json
import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from s3c_actions.cli import run
from s3c_actions.core.errors import Exit
from s3c_actions.core.secrets import Secrets
from s3c_actions.result import document
from s3c_lab.certificates import make
from tests.support import bare, samples

NODE = {
    "id": 1,
    "number": 7,
    "node_id": "x",
    "url": "x",
    "html_url": "x",
    "labels": "x",
    "head": [],
    "base": 3,
    "user": 5,
}
BODIES = {
    "empty object": "{}",
    "list": "[]",
    "list of numbers": "[1, 2]",
    "list of objects without fields": "[{}]",
    "null": "null",
    "text": '"hello"',
    "number": "12345678901234567890",
    "no JSON": "<html>Please log in</html>",
    "cut off": '{"data": {"repos',
    "nothing": "",
    "data null": '{"data": null}',
    "data without repository": '{"data": {}}',
    "repository null": '{"data": {"repository": null}}',
    "nodes of the wrong type": '{"data": {"repository": {"pullRequest": {"comments": {"nodes": 5, "pageInfo": []}}}}}',
    "nodes null": '{"data": {"repository": {"pullRequest": {"comments": {"nodes": [null], "pageInfo": null}}}}}',
    "wrong types": json.dumps(
        {**NODE, "data": {"repository": [], "viewer": []}, "login": 3, "content": 4, "sha": None}
    ),
    "strings for objects": json.dumps({"number": "seven", "html_url": 5, "object": "x", "artifacts": "x", "id": []}),
    "deep": "[" * 5000 + "]" * 5000,
}
COMMANDS = {
    "comment": ("comment", "result.json", "--pull-request", "7"),
    "comment of a fork's run": ("comment", "--from-run"),
    "upload": ("upload", "report.sarif", "--commit", "4" * 40, "--ref", "refs/heads/main", "--wait", "0"),
    "upload and wait": ("upload", "report.sarif", "--commit", "4" * 40, "--ref", "refs/heads/main", "--wait", "1s"),
    "propose": ("propose", "app.yaml", "--image", bare.PINNED),
    "a gate on a pull request": ("report", "trivy.json", "--policy", "policy.yaml", "--format", "json"),
    "the optional comment": ("report", "trivy.json", "--format", "json"),
}


@contextmanager
def api(body: str, status: int):
    """A server that answers every request with the same body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def __getattr__(self, name):
            if name.startswith("do_"):
                return self.do_GET
            raise AttributeError(name)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout with the files that the command lines name, and the events of a runner."""
    folder = tmp_path_factory.mktemp("malformed")
    bare.furnish(folder, make("signer"))
    result = document.build_document(samples.outcome(samples.chained()), datetime.now(UTC), Secrets())
    (folder / "result.json").write_text(document.render_document(result))
    base = {"ref": "main", "sha": "2" * 40, "repo": {"full_name": "octo/shop"}}
    pull = {"number": 7, "head": {"sha": "1" * 40, "repo": {"full_name": "octo/shop"}}, "base": base}
    (folder / "pull.json").write_text(json.dumps({"pull_request": pull, "number": 7}))
    ended = {"id": 5, "event": "pull_request", "head_sha": "1" * 40, "head_repository": {"full_name": "fork/shop"}}
    (folder / "run.json").write_text(json.dumps({"workflow_run": {**ended, "repository": {"full_name": "octo/shop"}}}))
    for command in (("init", "-q"), ("add", "."), ("-c", "user.name=o", "-c", "user.email=o@x", "commit", "-qm", "x")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def around(name: str, folder, address: str) -> dict[str, str]:
    event = {"comment of a fork's run": "workflow_run"}.get(name, "pull_request")
    environment = {
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "S3C_CACHE": str(folder / "cache"),
        "S3C_STATE": str(folder / "state"),
        "GITHUB_TOKEN": "abcdef",
        "GITHUB_REPOSITORY": "octo/shop",
        "GITHUB_API_URL": address,
        "GITHUB_EVENT_PATH": str(folder / ("run.json" if event == "workflow_run" else "pull.json")),
        "GITHUB_RUN_ID": "1",
        "GITHUB_SHA": "1" * 40,
        "GITHUB_WORKSPACE": str(folder),
    }
    if name != "propose":
        environment["GITHUB_EVENT_NAME"] = event
    if name == "the optional comment":
        environment |= {"S3C_COMMENT": "always"}
    return environment


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", COMMANDS)
def test_an_answer_that_is_none_is_explained(name, body, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("s3c_actions.github.api.BETWEEN_WRITES", 0)
    argv = COMMANDS[name]
    for status in (200, 201):
        with api(BODIES[body], status) as address:
            log = io.StringIO()
            code = run.run(argv[0], argv[1:], around(name, folder, address), log, log)
        assert code in {Exit.DONE, Exit.OUTSIDE_FAILED, Exit.REFUSED}, log.getvalue()
        assert "Traceback" not in log.getvalue()
        assert "bug of s3c" not in log.getvalue()
        if name != "the optional comment":
            assert code != Exit.REFUSED
