"""Writing to a registry: Debian's real one, which lists no referrers itself, and one that misbehaves."""

import hashlib
import json
import os
import re
import threading
from collections import Counter
from contextlib import nullcontext

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Registry, Writer
from s3c_actions.registry.credentials import Logins
from tests.contract.test_registry import Server, digest_of, reply
from tests.support.debian_registry import debian_registry

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """The folder of the registry's files."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def real(storage):
    """The address of Debian's docker-registry."""
    with debian_registry(storage) as address:
        yield address


@pytest.fixture
def registry(tmp_path):
    return Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10)


@pytest.fixture
def place(real, request):
    """A repository of the test's own."""
    return Reference.parse(f"{real}/{request.node.originalname.replace('_', '-')}")


def artifact(writer, place, *, subject=None, kind="application/x.report", annotations=None):
    """An artifact of an empty configuration; returns its descriptor."""
    writer.push_blob(place, digest_of(EMPTY), EMPTY)
    empty = {"mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty,
        "layers": [empty],
        "annotations": annotations or {},
    }
    if subject is not None:
        document["subject"] = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    return writer.push_manifest(place, json.dumps(document).encode(), OCI_MANIFEST)


def test_an_upload_is_tried_and_leaves_nothing(registry, place):
    Writer(registry).try_upload(place)
    assert registry.find(place) is None


@pytest.mark.parametrize(
    "answer",
    [
        reply(403, b'{"errors": [{"code": "DENIED"}]}'),
        reply(202, b""),
        reply(200, b""),
        reply(202, b"", {"Location": "https://elsewhere.example/upload"}),
    ],
)
def test_an_upload_that_is_refused_or_leads_elsewhere_is_an_error(registry, server, answer):
    server.answers["/v2/app/blobs/uploads/"] = answer
    with pytest.raises(OutsideError):
        Writer(registry).try_upload(Reference.parse(f"{server.name}/app:1"))


def test_an_upload_that_is_tried_is_cancelled_and_sends_nothing(registry, server):
    server.answers["/v2/app/blobs/uploads/"] = reply(202, b"", {"Location": "/v2/app/blobs/uploads/7?state=x"})
    server.answers["/v2/app/blobs/uploads/7"] = reply(204, b"")
    Writer(registry).try_upload(Reference.parse(f"{server.name}/app:1"))
    assert [(method, path) for method, path, _ in server.requests if method != "GET"] == [
        ("POST", "/v2/app/blobs/uploads/"),
        ("DELETE", "/v2/app/blobs/uploads/7?state=x"),
    ]


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250, 300])
def test_a_blob_in_chunks_comes_back_as_it_was(registry, place, size):
    content = os.urandom(size)
    writer = Writer(registry, chunk=100)
    pieces = (content[start : start + 70] for start in range(0, size, 70))
    assert writer.push_blob(place, digest_of(content), pieces)
    assert registry.blob(place, digest_of(content)) == content
    assert b"".join(registry.layer(place, digest_of(content), size)) == content
    assert writer.push_blob(place, digest_of(content), content) is False


def test_content_that_is_not_its_digest_is_refused(registry, place):
    with pytest.raises(OutsideError, match=r"did not take what was sent") as caught:
        Writer(registry, chunk=10).push_blob(place, digest_of(b"other"), b"x" * 35)
    assert "DIGEST_INVALID" in caught.value.original
    assert not Writer(registry).has_blob(place, digest_of(b"other"))


def test_a_layer_of_another_size_or_content_is_reported_before_its_end(registry, place):
    content = os.urandom(3 * 1024 * 1024)
    Writer(registry).push_blob(place, digest_of(content), content)
    for size in (len(content) - 1, len(content) + 1):
        got = b""
        with pytest.raises(OutsideError, match="cannot be believed"):
            for piece in registry.layer(place, digest_of(content), size):
                got += piece
        assert len(got) < len(content)


def test_a_blob_is_mounted_from_another_repository(registry, place):
    writer, content = Writer(registry), b"mounted"
    writer.push_blob(place, digest_of(content), content)
    other = Reference(place.registry, "mounted/there")
    assert writer.mount(other, digest_of(content), place.repository)
    assert registry.blob(other, digest_of(content)) == content
    assert not writer.mount(other, digest_of(b"nowhere"), place.repository)
    assert not writer.has_blob(other, digest_of(b"nowhere"))


def test_manifests_by_tag_and_by_digest(registry, place):
    writer = Writer(registry)
    tagged = artifact(writer, place.tagged("1"))
    assert registry.resolve(place.tagged("1")).digest == tagged.digest
    alone = artifact(writer, place, annotations={"a": "b"})
    assert registry.manifest(place.at(alone.digest)).document["annotations"] == {"a": "b"}
    with pytest.raises(ValueError, match="is not the digest"):
        writer.push_manifest(place.at("sha256:" + "0" * 64), b"{}", OCI_MANIFEST)


def test_a_manifest_whose_parts_are_missing_is_refused(registry, place):
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}
    document["config"] = {"mediaType": EMPTY_TYPE, "digest": digest_of(b"missing"), "size": 7}
    with pytest.raises(OutsideError, match="did not take what was sent") as caught:
        Writer(registry).push_manifest(place.tagged("1"), json.dumps(document).encode(), OCI_MANIFEST)
    assert "MANIFEST_BLOB_UNKNOWN" in caught.value.original


def test_a_blob_that_another_client_is_storing_at_this_moment_is_waited_for(registry, place, storage):
    writer = Writer(registry)
    writer.push_blob(place, digest_of(EMPTY), EMPTY)
    (link,) = storage.glob(f"**/{place.repository}/_layers/sha256/{digest_of(EMPTY).partition(':')[2]}/link")
    stored = link.read_bytes()
    link.write_bytes(b"")  # it is emptied before it is written anew
    empty = {"mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": [empty]}
    content = json.dumps(document).encode()
    settles = threading.Timer(0.5, link.write_bytes, [stored])
    settles.start()
    pushed = writer.push_manifest(place.at(digest_of(content)), content, OCI_MANIFEST)
    settles.join()
    assert pushed.digest == digest_of(content)


def test_referrers_are_listed_where_the_registry_does_not_do_it(registry, place):
    writer = Writer(registry)
    subject = artifact(writer, place.tagged("1"))
    reports = [artifact(writer, place, subject=subject, annotations={"number": str(n)}) for n in range(3)]
    again = artifact(writer, place, subject=subject, annotations={"number": "0"})
    referrers = registry.referrers(place.at(subject.digest), "application/x.report")
    assert [referrer.digest for referrer in referrers] == [report.digest for report in reports]
    assert (again.digest, referrers[0].annotations) == (reports[0].digest, {"number": "0"})
    assert registry.resolve(place.tagged(subject.digest.replace(":", "-"))).media_type == OCI_INDEX


def test_an_artifact_without_a_type_is_of_its_configuration_s(registry, place):
    writer = Writer(registry)
    subject = artifact(writer, place.tagged("1"))
    artifact(writer, place, subject=subject, kind="")
    assert [referrer.artifact_type for referrer in registry.referrers(place.at(subject.digest))] == [EMPTY_TYPE]


def test_a_deleted_referrer_is_listed_no_more(registry, place):
    writer = Writer(registry)
    subject = artifact(writer, place.tagged("1"))
    old, new = (artifact(writer, place, subject=subject, annotations={"at": at}) for at in ("1", "2"))
    assert writer.delete_manifest(place.at(old.digest))
    assert [referrer.digest for referrer in registry.referrers(place.at(subject.digest))] == [new.digest]
    assert registry.find(place.at(old.digest)) is None
    assert writer.delete_manifest(place.at(old.digest)) is False


# A registry whose answers a test chooses


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


class Uploads:
    """A registry that keeps what is sent, and can lose an answer, need a token, or list referrers by itself."""

    def __init__(self, server):
        self.server, self.kept, self.scopes, self.token = server, bytearray(), [], ""
        self.fail: Counter[str] = Counter()
        self.least = 0
        self.sizes: list[int] = []
        server.answers["/v2/app/blobs/uploads/"] = self.begin
        server.answers["/v2/app/blobs/uploads/1"] = self.go_on
        server.answers["/token"] = self.give

    def allowed(self, handler):
        if not self.token or handler.headers.get("Authorization") == f"Bearer {self.token}":
            return True
        challenge = f'Bearer realm="{self.server.url}/token",service="reg",scope="repository:app:pull"'
        reply(401, b"{}", {"WWW-Authenticate": challenge})(handler)
        return False

    def give(self, handler):
        self.scopes.append(re.findall(r"scope=([^&]+)", handler.path))
        reply(200, json.dumps({"token": self.token}).encode())(handler)

    def begin(self, handler):
        if self.allowed(handler):
            least = {"OCI-Chunk-Min-Length": str(self.least)} if self.least else {}
            reply(202, b"", {"Location": "/v2/app/blobs/uploads/1", **least})(handler)

    def go_on(self, handler):
        if not self.allowed(handler):
            return
        headers = {"Location": "/v2/app/blobs/uploads/1", "Range": f"0-{max(len(self.kept) - 1, 0)}"}
        if handler.command == "PATCH":
            start = int(handler.headers["Content-Range"].partition("-")[0])
            if start != len(self.kept):
                reply(416, b"", headers)(handler)
                return
            body = handler.form.encode("latin-1")
            if self.fail["refuse"]:
                reply(416, b"", headers)(handler)
                return
            self.sizes.append(len(body))
            if self.fail["half"]:
                self.fail["half"] -= 1
                body = body[:5]
            self.kept += body
            if self.fail["patch"] or len(body) < int(handler.headers["Content-Length"]):
                self.fail["patch"] -= 1
                reply(500, b"")(handler)
                return
        headers["Range"] = f"0-{max(len(self.kept) - 1, 0)}"
        reply({"PATCH": 202, "PUT": 201, "GET": 204, "DELETE": 204}[handler.command], b"", headers)(handler)


@pytest.mark.parametrize("lost", ["patch", "half"])
def test_a_chunk_whose_answer_was_lost_is_not_sent_twice(server, registry, lost):
    uploads = Uploads(server)
    uploads.fail[lost] = 1
    content = b"0123456789" * 4
    place = Reference.parse(f"{server.name}/app")
    assert Writer(registry, chunk=10).push_blob(place, digest_of(content), content)
    assert bytes(uploads.kept) == content


@pytest.mark.parametrize("lost", ["", "half"])
@pytest.mark.parametrize("size", [16, 24, 25, 40])
def test_chunks_are_as_large_as_the_registry_asks(server, registry, size, lost):
    uploads = Uploads(server)
    uploads.least = 12
    uploads.fail[lost] = 1
    content = bytes(range(size))
    place = Reference.parse(f"{server.name}/app")
    pieces = (content[start : start + 7] for start in range(0, size, 7))
    assert Writer(registry, chunk=10).push_blob(place, digest_of(content), pieces)
    assert bytes(uploads.kept) == content
    assert all(sent >= uploads.least for sent in uploads.sizes[:-1])


def test_chunks_larger_than_the_memory_are_refused(server, registry):
    uploads = Uploads(server)
    uploads.least = 10**12
    with pytest.raises(OutsideError, match=r"1,000,000,000,000 bytes.*OCI-Chunk-Min-Length"):
        Writer(registry).push_blob(Reference.parse(f"{server.name}/app"), digest_of(b"x"), b"x")


@pytest.mark.parametrize("least", ["-1", "x", "", "1.5", "1" * 30])
def test_a_least_size_that_is_no_number_asks_for_nothing(server, registry, least):
    uploads = Uploads(server)
    answer = reply(202, b"", {"Location": "/v2/app/blobs/uploads/1", "OCI-Chunk-Min-Length": least})
    server.answers["/v2/app/blobs/uploads/"] = answer
    content = b"0123456789" * 3
    assert Writer(registry, chunk=10).push_blob(Reference.parse(f"{server.name}/app"), digest_of(content), content)
    assert uploads.sizes == [10, 10, 10]


def test_0_0_of_an_upload_is_nothing_and_no_byte(server, registry):
    uploads = Uploads(server)
    uploads.fail["refuse"] = 1
    with pytest.raises(OutsideError, match="it has 0 bytes, and 0 were sent"):
        Writer(registry, chunk=10).push_blob(Reference.parse(f"{server.name}/app"), digest_of(b"x" * 30), b"x" * 30)
    assert bytes(uploads.kept) == b""


@pytest.mark.parametrize("code", [400, 404, 405])
def test_a_mount_that_is_refused_is_a_push(server, registry, code):
    server.answers["/v2/app/blobs/uploads/"] = reply(code, b'{"errors":[{"code":"UNSUPPORTED"}]}')
    assert Writer(registry).mount(Reference.parse(f"{server.name}/app"), digest_of(b"x"), "other") is False


def test_a_token_to_push_is_asked_for_where_the_challenge_says_pull(server, registry):
    uploads = Uploads(server)
    uploads.token = "tkn"
    Writer(registry).push_blob(Reference.parse(f"{server.name}/app"), digest_of(b"x"), b"x")
    assert uploads.scopes[-1] == ["repository%3Aapp%3Apull%2Cpush"]


def test_a_mount_asks_for_a_token_that_reads_the_other_repository(server, registry):
    uploads = Uploads(server)
    uploads.token = "tkn"
    assert not Writer(registry).mount(Reference.parse(f"{server.name}/app"), digest_of(b"x"), "other")
    assert uploads.scopes[0] == ["repository%3Aapp%3Apull%2Cpush", "repository%3Aother%3Apull"]
    assert {method for method, path, _ in server.requests if path.endswith("uploads/1")} == {"DELETE"}


def test_a_token_that_expires_in_an_upload_is_asked_for_again(server, registry):
    uploads = Uploads(server)
    uploads.token = "first"
    content = b"0123456789" * 4

    def pieces():
        yield content[:20]
        uploads.token = "second"
        yield content[20:]

    Writer(registry, chunk=10).push_blob(Reference.parse(f"{server.name}/app"), digest_of(content), pieces())
    assert bytes(uploads.kept) == content


def test_an_upload_elsewhere_is_not_followed(server, registry):
    server.answers["/v2/app/blobs/uploads/"] = reply(202, b"", {"Location": "http://169.254.169.254/latest"})
    with pytest.raises(OutsideError, match="another host"):
        Writer(registry).push_blob(Reference.parse(f"{server.name}/app"), digest_of(b"x"), b"x")


def test_an_upload_that_breaks_is_abandoned(server, registry):
    Uploads(server)

    def pieces():
        yield b"0123456789" * 3
        raise OutsideError("the source broke")

    with pytest.raises(OutsideError, match="the source broke"):
        Writer(registry, chunk=10).push_blob(Reference.parse(f"{server.name}/app"), digest_of(b"x"), pieces())
    assert [method for method, path, _ in server.requests if path.endswith("uploads/1")][-1] == "DELETE"


@pytest.mark.parametrize(
    ("code", "says"), [(403, "did not let us write"), (405, "did not take"), (413, "did not take"), (507, "HTTP 507")]
)
def test_a_refused_push_is_reported(server, registry, code, says):
    server.answers["/v2/app/manifests/1"] = reply(code, b'{"errors":[{"code":"DENIED","message":"no"}]}')
    with pytest.raises(OutsideError, match=says) as caught:
        Writer(registry).push_manifest(Reference.parse(f"{server.name}/app:1"), b"{}", OCI_MANIFEST)
    assert caught.value.original == "DENIED: no"
    assert caught.value.remedy


def test_a_registry_that_lists_referrers_is_left_to_it(server, registry):
    subject = "sha256:" + "c" * 64
    content = json.dumps({"mediaType": OCI_MANIFEST, "subject": {"digest": subject}}).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    server.answers[f"/v2/app/manifests/{digest}"] = reply(201, b"", {"OCI-Subject": subject})
    Writer(registry).push_manifest(Reference.parse(f"{server.name}/app"), content, OCI_MANIFEST)
    assert [path for _, path, _ in server.requests] == [f"/v2/app/manifests/{digest}"]


@pytest.mark.parametrize("listed", [True, False])
def test_the_list_of_an_api_that_is_not_announced_counts(server, registry, listed):
    """As on Quay: with immutable tags the list of the tag schema could not be written a second time."""
    subject = "sha256:" + "c" * 64
    content = json.dumps({"mediaType": OCI_MANIFEST, "subject": {"digest": subject}}).encode()
    digest = digest_of(content)
    server.answers[f"/v2/app/manifests/{digest}"] = reply(201, b"")
    entry = {"mediaType": OCI_MANIFEST, "digest": digest if listed else "sha256:" + "d" * 64, "size": len(content)}
    server.answers[f"/v2/app/referrers/{subject}"] = reply(200, json.dumps({"manifests": [entry]}).encode())
    tag = f"/v2/app/manifests/{subject.replace(':', '-')}"
    server.answers[tag] = reply(409, b"{}")
    with nullcontext() if listed else pytest.raises(OutsideError):
        Writer(registry).push_manifest(Reference.parse(f"{server.name}/app"), content, OCI_MANIFEST)
    assert any(path == tag for _, path, _ in server.requests) is not listed


@pytest.mark.parametrize("kind", [OCI_INDEX, OCI_MANIFEST])
def test_a_registry_that_takes_the_tag_for_the_digest_keeps_no_referrers(server, registry, kind):
    """As GitLab's does: what was pushed could not be found again, and nothing is written in the subject's place."""
    subject = json.dumps({"mediaType": kind, "manifests": []} if kind == OCI_INDEX else {"mediaType": kind}).encode()
    digest = digest_of(subject)
    content = json.dumps({"mediaType": OCI_MANIFEST, "subject": {"digest": digest}}).encode()
    server.answers[f"/v2/app/manifests/{digest_of(content)}"] = reply(201, b"")
    tag = f"/v2/app/manifests/{digest.replace(':', '-')}"
    server.answers[tag] = reply(200, subject, {"Content-Type": kind})
    with pytest.raises(OutsideError, match="keeps no list of what refers to") as caught:
        Writer(registry).push_manifest(Reference.parse(f"{server.name}/app"), content, OCI_MANIFEST)
    assert "registries.md" in caught.value.remedy
    assert [method for method, path, _ in server.requests if path == tag] == ["GET"]


@pytest.mark.parametrize("kind", [OCI_MANIFEST, "application/vnd.oci.artifact.manifest.v1+json", "text/html", ""])
def test_a_tag_that_is_no_index_is_not_overwritten(server, registry, kind):
    subject = "sha256:" + "c" * 64
    content = json.dumps({"mediaType": OCI_MANIFEST, "subject": {"digest": subject}}).encode()
    server.answers[f"/v2/app/manifests/{digest_of(content)}"] = reply(201, b"")
    tag = f"/v2/app/manifests/{subject.replace(':', '-')}"
    server.answers[tag] = reply(200, json.dumps({"mediaType": kind}).encode(), {"Content-Type": kind})
    with pytest.raises(OutsideError, match=r"is not an index.*was not overwritten.*delete this one"):
        Writer(registry).push_manifest(Reference.parse(f"{server.name}/app"), content, OCI_MANIFEST)
    assert [method for method, path, _ in server.requests if path == tag] == ["GET"]
    assert registry.referrers(Reference.parse(f"{server.name}/app@{subject}")) == ()


def test_a_digest_that_the_registry_made_of_it_is_compared(server, registry):
    server.answers["/v2/app/manifests/1"] = reply(201, b"", {"Docker-Content-Digest": "sha256:" + "0" * 64})
    with pytest.raises(OutsideError, match="took the manifest for"):
        Writer(registry).push_manifest(Reference.parse(f"{server.name}/app:1"), b"{}", OCI_MANIFEST)


def test_a_tag_is_deleted_without_its_manifest_or_stays(registry, place):
    """Debian's registry deletes no tags: then nothing is deleted, least of all the manifest."""
    writer = Writer(registry)
    tagged = artifact(writer, place.tagged("1"))
    assert writer.delete_tag(place.tagged("1")) is False
    assert registry.find(place.at(tagged.digest)) is not None


@pytest.mark.parametrize(("code", "deleted"), [(202, True), (404, False), (405, False), (400, False), (412, False)])
def test_deleting_a_tag_names_the_tag_and_nothing_else(server, registry, code, deleted):
    server.answers["/v2/app/manifests/s3c-1"] = reply(code, b"{}")
    assert Writer(registry).delete_tag(Reference.parse(f"{server.name}/app:s3c-1@sha256:{'0' * 64}")) is deleted
    assert [(method, path) for method, path, _ in server.requests if method != "GET"] == [
        ("DELETE", "/v2/app/manifests/s3c-1")
    ]


def test_a_missing_permission_to_delete_is_reported(server, registry):
    server.answers["/v2/app/manifests/s3c-1"] = reply(403, b"{}")
    with pytest.raises(OutsideError, match="403"):
        Writer(registry).delete_tag(Reference.parse(f"{server.name}/app:s3c-1"))


def test_azure_deletes_a_tag_by_a_path_that_leaves_the_manifest(registry, monkeypatch):
    """The path of the specification is for digests there: learn.microsoft.com/rest/api/containerregistry/tag/delete."""
    requests = []

    def request(method, target, path, **_):
        requests.append((method, target.registry, path))
        raise OutsideError("HTTP 401")

    monkeypatch.setattr(registry.connection, "request", request)
    with pytest.raises(OutsideError):
        Writer(registry).delete_tag(Reference.parse("acrvoting.azurecr.io/team/app:s3c-1"))
    assert requests == [("DELETE", "acrvoting.azurecr.io", "/acr/v1/team/app/_tags/s3c-1")]
