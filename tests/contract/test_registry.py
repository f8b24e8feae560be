"""The registry client against a server that misbehaves in every way one can, and against Debian's real registry."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Registry, Writer
from s3c_actions.registry.credentials import Credentials, Logins


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
        "config": {"Labels": {"title": "::set-output x"}},
    }
).encode()
MANIFEST = json.dumps(
    {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"digest": digest_of(CONFIG), "size": len(CONFIG)}}
).encode()


def index(*platforms):
    manifests = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": digest_of(MANIFEST),
            "size": len(MANIFEST),
            "platform": {"os": platform.split("/")[0], "architecture": platform.split("/")[1]},
        }
        for platform in platforms
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()


class Server:
    """A registry whose answers a test chooses: path → a function of the handler."""

    def __init__(self):
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self):
                outer.connections += 1
                super().setup()

            def do_GET(self):
                outer.requests.append((self.command, self.path, self.headers.get("Authorization", "")))
                answer = outer.answers.get(self.path) or outer.answers.get(self.path.partition("?")[0])
                (answer or reply(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}'))(self)

            def do_POST(self):
                self.form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("latin-1")
                self.do_GET()

            do_HEAD = do_DELETE = do_GET  # noqa: N815
            do_PUT = do_PATCH = do_POST  # noqa: N815

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.name = f"127.0.0.1:{self.http.server_port}"
        self.url = f"http://{self.name}"

    def image(self, manifest=MANIFEST, config=CONFIG, tag="1"):
        kind = json.loads(manifest).get("mediaType", OCI_MANIFEST)
        for name in (tag, digest_of(manifest)):
            self.answers[f"/v2/app/manifests/{name}"] = reply(200, manifest, {"Content-Type": kind})
        self.answers[f"/v2/app/blobs/{digest_of(CONFIG)}"] = reply(200, config)


def reply(code, body, headers=None):
    def answer(handler):
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def client(tmp_path):
    return Registry(Logins(environment={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}), timeout=1.0, retries=1)


def app(server, tag="1"):
    return Reference.parse(f"{server.name}/app:{tag}")


def test_resolves_a_tag_to_the_digest_of_what_was_sent(server, client):
    server.image()
    resolved = client.resolve(app(server))
    assert (resolved.digest, resolved.size, resolved.media_type) == (digest_of(MANIFEST), len(MANIFEST), OCI_MANIFEST)


def test_reads_the_config_of_the_platform_asked_for(server, client):
    listed = index("linux/amd64", "linux/arm64")
    server.image()
    server.image(listed, tag="multi")
    assert client.resolve(app(server, "multi")).platforms == ("linux/amd64", "linux/arm64")
    config = client.config(app(server, "multi"), platform="linux/arm64")
    assert config.diff_ids == ("sha256:" + "1" * 64,)
    assert config.labels == {"title": "::set-output x"}
    with pytest.raises(InputError, match=r"^platform: .* has no image for linux/s390x.*linux/amd64, linux/arm64"):
        client.config(app(server, "multi"), platform="linux/s390x")


def test_a_missing_tag_names_those_that_are_there(server, client):
    names = ["9.8", "9.9.1", "unrelated", "sha256-" + "9" * 64, "s3c-" + "9" * 32, f"s3c-{'9' * 32}-amd64"]
    server.answers["/v2/app/tags/list"] = reply(200, json.dumps({"tags": names}).encode())
    with pytest.raises(InputError, match=r"tag 9\.9 does not exist in .*/app; tags there: 9\.9\.1, 9\.8") as caught:
        client.resolve(app(server, "9.9"))
    assert caught.value.field == "image"
    assert caught.value.exit_code == 2


def test_a_missing_repository_is_told_apart_from_a_missing_tag(server, client):
    with pytest.raises(InputError, match="repository app does not exist"):
        client.resolve(app(server))


def test_a_missing_tag_is_reported_when_tags_may_not_be_listed(server, client):
    server.answers["/v2/app/tags/list"] = reply(403, b"{}")
    with pytest.raises(InputError, match="tag 1 does not exist"):
        client.resolve(app(server))


def test_pages_of_tags_are_followed(server, client):
    server.answers["/v2/app/tags/list?n=1000"] = reply(
        200, b'{"tags":["a"]}', {"Link": '</v2/app/tags/list?last=a>; rel="next"'}
    )
    server.answers["/v2/app/tags/list?last=a"] = reply(200, b'{"tags":["b"]}')
    assert client.tags(app(server)) == ("a", "b")


def test_a_page_elsewhere_is_not_followed(server, client):
    server.answers["/v2/app/tags/list"] = reply(
        200, b'{"tags":["a"]}', {"Link": '<http://169.254.169.254/latest>; rel="next"'}
    )
    with pytest.raises(OutsideError, match="another host"):
        client.tags(app(server))


def test_pages_without_end_end(server, client):
    server.answers["/v2/app/tags/list"] = reply(200, b'{"tags":["a"]}', {"Link": '</v2/app/tags/list>; rel="next"'})
    with pytest.raises(OutsideError, match="leads back to an earlier one"):
        client.tags(app(server))


REFERRERS = json.dumps(
    {
        "manifests": [
            {"digest": "sha256:" + "a" * 64, "size": 1, "artifactType": "x/signature", "annotations": {"k": "v"}},
            {"digest": "sha256:" + "b" * 64, "size": 1, "artifactType": "x/sbom"},
        ]
    }
).encode()


@pytest.mark.parametrize("listed_as", ["", "application/vnd.oci.empty.v1+json"])
def test_a_type_that_is_not_listed_is_that_of_the_manifest(server, client, listed_as):
    """As on go-containerregistry's, which lists the type of the configuration."""
    documents = [
        json.dumps({"mediaType": OCI_MANIFEST, "artifactType": "application/x", "annotations": {"a": "b"}}).encode(),
        json.dumps({"mediaType": OCI_MANIFEST, "config": {"mediaType": "application/y"}}).encode(),
    ]
    for document in documents:
        server.answers[f"/v2/app/manifests/{digest_of(document)}"] = reply(200, document)
    digests = [*map(digest_of, documents), "sha256:" + "e" * 64]
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "artifactType": listed_as} for digest in digests
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    server.answers[f"/v2/app/referrers/{digest_of(MANIFEST)}"] = reply(200, body)
    subject = app(server).at(digest_of(MANIFEST))
    referrers = client.referrers(subject)
    assert [referrer.artifact_type for referrer in referrers] == ["application/x", "application/y", listed_as]
    assert dict(referrers[0].annotations) == {"a": "b"}
    assert [referrer.digest for referrer in client.referrers(subject, "application/y")] == digests[1:2]
    many = [{**entries[0], "digest": f"sha256:{number:064x}"} for number in range(501)]
    server.answers[f"/v2/app/referrers/{digest_of(MANIFEST)}"] = reply(200, json.dumps({"manifests": many}).encode())
    with pytest.raises(OutsideError, match="lists 501 referrers without"):
        client.referrers(subject)


@pytest.mark.parametrize("where", ["api", "fallback tag"])
def test_referrers_by_type(server, client, where):
    reference = Reference.parse(f"{server.name}/app@sha256:{'c' * 64}")
    path = f"referrers/sha256:{'c' * 64}" if where == "api" else f"manifests/sha256-{'c' * 64}"
    server.answers[f"/v2/app/{path}"] = reply(200, REFERRERS)
    (referrer,) = client.referrers(reference, "x/signature")
    assert referrer.digest == "sha256:" + "a" * 64
    assert referrer.annotations == {"k": "v"}
    assert len(client.referrers(reference)) == 2


@pytest.mark.parametrize("answer", [(404, b"<html>"), (429, b""), (200, b"<html>a page</html>")])
def test_a_registry_that_redirects_referrers_elsewhere_has_no_such_api(server, client, answer):
    """As GitHub's does, to web pages of another host: they are not asked."""
    elsewhere = Server()
    elsewhere.answers["/page"] = reply(*answer)
    server.answers[f"/v2/app/referrers/sha256:{'c' * 64}"] = reply(303, b"", {"Location": f"{elsewhere.url}/page"})
    server.answers[f"/v2/app/manifests/sha256-{'c' * 64}"] = reply(200, REFERRERS)
    reference = Reference.parse(f"{server.name}/app@sha256:{'c' * 64}")
    try:
        assert len(client.referrers(reference)) == 2
        assert elsewhere.requests == []
    finally:
        elsewhere.http.shutdown()
        elsewhere.http.server_close()


def test_a_redirect_within_the_registry_is_followed_and_a_circle_is_not(server, client):
    path = f"/v2/app/referrers/sha256:{'c' * 64}"
    reference = Reference.parse(f"{server.name}/app@sha256:{'c' * 64}")
    server.answers[path] = reply(307, b"", {"Location": "/elsewhere"})
    server.answers["/elsewhere"] = reply(200, REFERRERS)
    assert len(client.referrers(reference)) == 2
    server.answers["/elsewhere"] = reply(307, b"", {"Location": path})
    with pytest.raises(OutsideError, match="more than 100 pages"):
        client.referrers(reference)


def test_the_platforms_of_an_index_are_no_referrers_where_the_tag_means_the_digest(server, client):
    """As in GitLab's registry, which answers the tag of the referrers with the subject itself."""
    subject = index("linux/amd64", "linux/arm64")
    digest = digest_of(subject)
    server.answers[f"/v2/app/manifests/{digest.replace(':', '-')}"] = reply(200, subject)
    assert client.referrers(Reference.parse(f"{server.name}/app@{digest}")) == ()


@pytest.mark.parametrize("code", [400, 404, 405, 406, 410, 501])
def test_a_registry_that_refuses_referrers_has_no_such_api(server, client, code):
    server.answers[f"/v2/app/referrers/{digest_of(MANIFEST)}"] = reply(code, b"{}")
    server.answers[f"/v2/app/manifests/{digest_of(MANIFEST).replace(':', '-')}"] = reply(200, index("linux/amd64"))
    assert len(client.referrers(app(server).at(digest_of(MANIFEST)))) == 1


def test_a_page_in_place_of_referrers_is_no_such_api(server, client):
    page = reply(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})
    server.answers[f"/v2/app/referrers/{digest_of(MANIFEST)}"] = page
    assert client.referrers(app(server).at(digest_of(MANIFEST))) == ()


@pytest.mark.parametrize(
    "content",
    [
        b'{"errors":[{"code":"UNSUPPORTED"}]}',
        b'{"schemaVersion":2}',
        b"[]",
        b"null",
        b"",
        b"404 page not found",
        MANIFEST,
    ],
)
def test_what_is_no_index_in_place_of_referrers_is_no_such_api(server, client, content):
    server.answers[f"/v2/app/referrers/{digest_of(MANIFEST)}"] = reply(200, content)
    server.answers[f"/v2/app/manifests/{digest_of(MANIFEST).replace(':', '-')}"] = reply(200, index("linux/amd64"))
    assert len(client.referrers(app(server).at(digest_of(MANIFEST)))) == 1


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"schemaVersion":2,"mani', {"Content-Type": OCI_INDEX}),
        (b'{"manifests":[{}]}', {}),
        (b'{"manifests":{}}', {}),
    ],
)
def test_a_damaged_index_of_referrers_is_an_error(server, client, content, headers):
    server.answers[f"/v2/app/referrers/{digest_of(MANIFEST)}"] = reply(200, content, headers)
    with pytest.raises(OutsideError, match="cannot be believed"):
        client.referrers(app(server).at(digest_of(MANIFEST)))


def test_referrers_that_are_null_are_none(server, client):
    server.answers[f"/v2/app/referrers/{digest_of(MANIFEST)}"] = reply(200, b'{"schemaVersion":2,"manifests":null}')
    assert client.referrers(app(server).at(digest_of(MANIFEST))) == ()


def test_no_referrers(server, client):
    assert client.referrers(Reference.parse(f"{server.name}/app@sha256:{'c' * 64}")) == ()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply(200, MANIFEST, {"Docker-Content-Digest": "sha256:" + "0" * 64}), "digest is"),
        (reply(200, b"<html>"), "not JSON"),
        (reply(200, b"[]"), "not a JSON object"),
        (reply(200, b"[" * 100_000), "not JSON"),
        (reply(200, b"{}"), "not the type of an image"),
        (reply(200, b'{"mediaType":"text/html"}'), "not the type of an image"),
        (reply(200, json.dumps({"mediaType": OCI_INDEX}).encode()), "lists no manifests"),
        (reply(200, json.dumps({"mediaType": OCI_INDEX, "manifests": [{}]}).encode()), "no digest or size"),
        (reply(200, MANIFEST, {"Content-Length": "9999"}), "cut off"),
        (reply(200, b" " * (4 * 1024 * 1024 + 1)), "larger than 4 MiB"),
        (reply(418, b""), "HTTP 418"),
    ],
)
def test_an_answer_that_cannot_be_believed(server, client, answer, says):
    server.answers["/v2/app/manifests/1"] = answer
    with pytest.raises(OutsideError, match=says) as caught:
        client.resolve(app(server))
    assert caught.value.exit_code == 3
    assert caught.value.remedy


def test_content_that_is_not_the_digest_asked_for(server, client):
    wrong = "sha256:" + "0" * 64
    server.answers[f"/v2/app/manifests/{wrong}"] = reply(200, MANIFEST)
    with pytest.raises(OutsideError, match=f"not {wrong}"):
        client.resolve(Reference.parse(f"{server.name}/app@{wrong}"))


def test_a_config_that_is_not_its_digest(server, client):
    server.image(config=CONFIG.replace(b"amd64", b"arm64"))
    with pytest.raises(OutsideError, match="is other content"):
        client.config(app(server))


def test_the_registrys_own_words_come_last(server, client):
    server.answers["/v2/app/manifests/1"] = reply(403, b'{"errors":[{"code":"DENIED","message":"by firewall rule 7"}]}')
    with pytest.raises(OutsideError, match="HTTP 403") as caught:
        client.resolve(app(server))
    assert caught.value.original == "DENIED: by firewall rule 7"


@pytest.mark.parametrize("code", [429, 500, 503])
def test_overload_is_tried_again_and_then_reported(server, client, code):
    server.answers["/v2/app/manifests/1"] = reply(code, b"", {"Retry-After": "0"})
    with pytest.raises(OutsideError, match=f"HTTP {code}.*2 times"):
        client.resolve(app(server))
    assert len(server.requests) == 2


def test_overload_that_passes_is_not_noticed(server, client):
    server.image()
    good = server.answers["/v2/app/manifests/1"]

    def first_busy(handler):
        server.answers["/v2/app/manifests/1"] = good
        reply(429, b"", {"Retry-After": "0"})(handler)

    server.answers["/v2/app/manifests/1"] = first_busy
    assert client.resolve(app(server)).digest == digest_of(MANIFEST)


def test_no_answer(server, client):
    server.answers["/v2/app/manifests/1"] = lambda _handler: time.sleep(3)
    started = time.monotonic()
    with pytest.raises(OutsideError, match="did not answer within 1 s"):
        client.resolve(app(server))
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"],
    ids=["status", "headers", "body"],
)
def test_an_answer_that_trickles_is_given_up_once(server, client, start):
    ended = threading.Event()

    def trickle(handler):
        handler.wfile.write(start)
        while not ended.wait(0.01):
            handler.wfile.write(b"H")

    server.answers["/v2/app/manifests/1"] = trickle
    try:
        with pytest.raises(OutsideError, match="did not answer within 1 s"):
            client.resolve(app(server))
    finally:
        ended.set()
    assert len(server.requests) == 1


def test_a_token_service_that_trickles_is_given_up(server, client):
    ended = threading.Event()

    def trickle(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not ended.wait(0.01):
            handler.wfile.write(b"y")

    challenge = f'Bearer realm="{server.url}/token",service="s"'
    server.answers["/v2/app/manifests/1"] = reply(401, b"", {"WWW-Authenticate": challenge})
    server.answers["/token"] = trickle
    try:
        with pytest.raises(OutsideError, match="did not answer within 1 s"):
            client.resolve(app(server))
    finally:
        ended.set()


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("other", ['Basic realm="R"', "Negotiate", "Negotiate YII/=="])
@pytest.mark.parametrize("first", [True, False])
def test_a_registry_that_offers_several_ways_to_log_in(server, client, joined, other, first):
    server.image()
    image = server.answers["/v2/app/manifests/1"]
    bearer = f'Bearer realm="{server.url}/token",service="s"'

    def guarded(handler):
        if handler.headers.get("Authorization") == "Bearer t":
            return image(handler)
        lines = [bearer, other] if first else [other, bearer]
        handler.send_response(401)
        for line in [", ".join(lines)] if joined else lines:
            handler.send_header("WWW-Authenticate", line)
        handler.send_header("Content-Length", "0")
        return handler.end_headers()

    server.answers["/v2/app/manifests/1"] = guarded
    server.answers["/token"] = reply(200, b'{"token": "t"}')
    assert client.resolve(app(server)).digest == digest_of(MANIFEST)


def test_a_challenge_of_64_kilobytes_is_read_to_its_limit(server, client):
    server.answers["/v2/app/manifests/1"] = reply(401, b"", {"WWW-Authenticate": "Bearer " + "a" * 60_000})
    with pytest.raises(OutsideError):
        client.resolve(app(server))


def test_an_answer_that_drips(server, client):
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b" ")
            time.sleep(0.1)

    server.answers["/v2/app/manifests/1"] = drip
    with pytest.raises(OutsideError, match=r"did not answer within|cut off"):
        client.resolve(app(server))


def test_nobody_listens(server, client):
    server.http.server_close()
    with pytest.raises(OutsideError, match="refused the connection"):
        client.resolve(app(server))


def test_a_name_nobody_knows(client):
    with pytest.raises(OutsideError, match="cannot be resolved"):
        client.resolve(Reference.parse("no-such-host.invalid/app:1"))


def test_tls_that_is_not_there(server, client, monkeypatch):
    monkeypatch.setattr("s3c_actions.registry.connection.is_local", lambda _registry: False)
    server.image()
    with pytest.raises(OutsideError, match="TLS"):
        client.resolve(app(server))
    insecure = Registry(Logins(environment={"HOME": "/nonexistent"}), timeout=2, insecure=True)
    assert insecure.resolve(app(server)).digest == digest_of(MANIFEST)


# Authentication

BASIC = "Basic " + base64.b64encode(b"ann:s3cret-word").decode()


def guarded(server, wanted, challenge):
    server.image()
    good = server.answers["/v2/app/manifests/1"]

    def answer(handler):
        if handler.headers.get("Authorization") == wanted:
            good(handler)
        else:
            reply(401, b"{}", {"WWW-Authenticate": challenge})(handler)

    server.answers["/v2/app/manifests/1"] = answer


def with_token(server, wanted="Bearer tkn"):
    guarded(server, wanted, f'Bearer realm="{server.url}/token",service="reg",scope="repository:app:pull"')


@pytest.mark.parametrize("challenge", ['Basic realm="x"', 'Bearer, Basic realm="x"'])
def test_basic_auth_from_inputs(server, tmp_path, challenge):
    guarded(server, BASIC, challenge)
    given = {server.name: Credentials(username="ann", password="s3cret-word")}
    client = Registry(Logins(environment={"HOME": str(tmp_path)}, given=given), timeout=1)
    assert client.resolve(app(server)).digest == digest_of(MANIFEST)
    assert "s3cret-word" not in repr(client) + repr(given)


def test_basic_auth_from_docker_s_configuration(server, tmp_path):
    guarded(server, BASIC, 'Basic realm="x"')
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.name: {"auth": BASIC[6:]}}}))
    client = Registry(Logins(environment={"DOCKER_CONFIG": str(tmp_path)}), timeout=1)
    assert client.resolve(app(server)).digest == digest_of(MANIFEST)


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_basic_auth_from_a_credential_helper(server, tmp_path, monkeypatch, key):
    guarded(server, BASIC, 'Basic realm="x"')
    helper = tmp_path / "docker-credential-lab"
    helper.write_text('#!/bin/sh\nread server\nprintf \'{"Username":"ann","Secret":"s3cret-word"}\'\n')
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({key: {server.name: "lab"} if key == "credHelpers" else "lab"}))
    path = f"{tmp_path}:/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    client = Registry(Logins(environment={"DOCKER_CONFIG": str(tmp_path), "PATH": path}), timeout=1)
    assert client.resolve(app(server)).digest == digest_of(MANIFEST)


def test_a_credential_helper_that_is_missing(server, tmp_path):
    guarded(server, BASIC, 'Basic realm="x"')
    (tmp_path / "config.json").write_text('{"credsStore": "nowhere"}')
    warnings: list[str] = []
    client = Registry(Logins(environment={"DOCKER_CONFIG": str(tmp_path)}, warn=warnings.append), timeout=1)
    with pytest.raises(OutsideError, match=r"HTTP 401.*docker-credential-nowhere.*is not installed"):
        client.resolve(app(server))
    with_token(server)
    server.answers["/token"] = reply(200, b'{"token":"tkn"}')
    assert client.resolve(app(server)).digest == digest_of(MANIFEST)
    assert len(warnings) == 1


def test_an_unreadable_docker_configuration(server, tmp_path):
    guarded(server, BASIC, 'Basic realm="x"')
    (tmp_path / "config.json").write_text('{"auths": ')
    client = Registry(Logins(environment={"DOCKER_CONFIG": str(tmp_path)}), timeout=1)
    with pytest.raises(OutsideError, match="cannot be read"):
        client.resolve(app(server))


def test_an_anonymous_token_is_fetched_once(server, client):
    with_token(server)
    server.answers["/token"] = reply(200, b'{"token":"tkn"}')
    client.resolve(app(server))
    client.resolve(app(server))
    tokens = [path for _, path, _ in server.requests if path.startswith("/token")]
    assert tokens == ["/token?service=reg&scope=repository%3Aapp%3Apull"]


def test_one_connection_serves_all_that_is_asked(server, client):
    server.http.RequestHandlerClass.protocol_version = "HTTP/1.1"
    with_token(server)
    server.answers["/token"] = reply(200, b'{"token":"tkn"}')
    upload, content = "/v2/app/blobs/uploads/", b"a layer"
    server.answers[f"/v2/app/blobs/{digest_of(content)}"] = reply(404, b"")
    server.answers[upload] = reply(202, b"", {"Location": f"{upload}1"})
    server.answers[f"{upload}1"] = reply(201, b"")
    resolved = client.resolve(app(server))
    assert client.find(app(server, "absent")) is None
    assert client.referrers(app(server).at(resolved.digest)) == ()
    assert Writer(client).push_blob(app(server), digest_of(content), content)
    assert [method for method, *_ in server.requests] == [*(6 * ["GET"]), "HEAD", "POST", "PUT"]
    assert server.connections == 1


def test_a_token_for_credentials(server, tmp_path):
    with_token(server)
    server.answers["/token"] = reply(200, b'{"access_token":"tkn"}')
    given = {server.name: Credentials(username="ann", password="s3cret-word")}
    Registry(Logins(environment={"HOME": str(tmp_path)}, given=given), timeout=1).resolve(app(server))
    assert [authorization for _, path, authorization in server.requests if path.startswith("/token")] == [BASIC]


def test_a_token_for_an_identity_token(server, tmp_path):
    with_token(server)
    forms = []

    def exchange(handler):
        forms.append(handler.form)
        reply(200, b'{"access_token":"tkn"}')(handler)

    server.answers["/token"] = exchange
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.name: {"identitytoken": "refresh-me"}}}))
    Registry(Logins(environment={"DOCKER_CONFIG": str(tmp_path)}), timeout=1).resolve(app(server))
    assert "grant_type=refresh_token" in forms[0] and "refresh_token=refresh-me" in forms[0]


@pytest.mark.parametrize("challenge", ["", 'Bearer service="reg", Basic realm="x"'])
def test_a_registry_token_is_sent_as_it_is(server, tmp_path, challenge):
    with_token(server, "Bearer of-the-registry")
    if challenge:
        guarded(server, "Bearer of-the-registry", challenge)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.name: {"registrytoken": "of-the-registry"}}}))
    Registry(Logins(environment={"DOCKER_CONFIG": str(tmp_path)}), timeout=1).resolve(app(server))
    assert [path for _, path, _ in server.requests if path.startswith("/token")] == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("entry", [{"identitytoken": "refresh-me"}, {"auth": BASIC[6:]}])
def test_a_token_service_sends_nobody_elsewhere(server, tmp_path, entry, status):
    elsewhere = Server()
    elsewhere.answers["/token"] = reply(200, b'{"token":"tkn"}')
    with_token(server)
    server.answers["/token"] = reply(status, b"", {"Location": f"{elsewhere.url}/token"})
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.name: entry}}))
    with pytest.raises(OutsideError, match="sends to another address"):
        Registry(Logins(environment={"DOCKER_CONFIG": str(tmp_path)}), timeout=1).resolve(app(server))
    elsewhere.http.shutdown()
    elsewhere.http.server_close()
    assert elsewhere.requests == []


def test_every_login_is_hidden_in_the_form_in_which_it_is_sent(server, tmp_path):
    with_token(server, "Bearer a-token-of-the-registry")
    server.answers["/token"] = reply(200, b'{"token":"a-token-of-the-registry"}')
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.name: {"auth": BASIC[6:]}}}))
    hidden: list[str] = []
    logins = Logins(environment={"DOCKER_CONFIG": str(tmp_path)}, hide=hidden.append)
    Registry(logins, timeout=1).resolve(app(server))
    assert {"s3cret-word", BASIC[6:], "a-token-of-the-registry"} <= set(hidden)


def test_netrc_is_not_read_for_the_storage_that_a_registry_sends_to(server, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("default login somebody password of-the-netrc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    storage = Server()
    content = b'{"os":"linux"}'
    storage.answers["/blob"] = reply(200, content)
    server.answers[f"/v2/app/blobs/{digest_of(content)}"] = reply(307, b"", {"Location": f"{storage.url}/blob"})
    client = Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=1)
    assert client.blob(app(server), digest_of(content)) == content
    storage.http.shutdown()
    storage.http.server_close()
    assert [authorization for *_, authorization in storage.requests] in ([None], [""])


def test_wrong_credentials(server, tmp_path):
    guarded(server, "never", 'Basic realm="x"')
    given = {server.name: Credentials(username="ann", password="s3cret-word")}
    with pytest.raises(OutsideError, match=r"HTTP 401.*credentials given are wrong") as caught:
        Registry(Logins(environment={"HOME": str(tmp_path)}, given=given), timeout=1).resolve(app(server))
    assert "s3cret-word" not in str(vars(caught.value))


@pytest.mark.parametrize(
    "message",
    [
        "permission_denied: read_package",
        "permission_denied: The token provided does not match expected scopes.",
        "installation not allowed to Read organization package",
    ],
)
def test_a_token_of_github_actions_without_the_permission(server, client, message):
    body = json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode()
    server.answers["/v2/app/manifests/1"] = reply(403, body)
    with pytest.raises(OutsideError) as caught:
        client.resolve(app(server))
    assert "`packages: read`" in caught.value.remedy
    assert "fork" in caught.value.cause
    assert message in caught.value.original


def test_no_credentials(server, client):
    guarded(server, "never", 'Basic realm="x"')
    with pytest.raises(OutsideError, match="docker login"):
        client.resolve(app(server))


@pytest.mark.parametrize("token", [b"{}", b'{"token":""}', b'{"token":"a\\r\\nX: y"}', b'{"token":7}', b"no"])
def test_a_token_service_that_gives_none(server, client, token):
    with_token(server)
    server.answers["/token"] = reply(200, token)
    with pytest.raises(OutsideError, match=r"no token|not JSON"):
        client.resolve(app(server))


@pytest.mark.parametrize("realm", ["file:///etc/passwd", "ftp://x/", ""])
def test_a_token_realm_that_is_not_safe(server, client, realm):
    guarded(server, "never", f'Bearer realm="{realm}"')
    with pytest.raises(OutsideError, match="not a safe address"):
        client.resolve(app(server))
