"""`s3c mirror` between two real registries, and out of one that breaks."""

import json
import os
import re
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema
import pytest

from s3c_lab import daemons, registry_server
from tests.support.layout import Layout
from tests.support.oci import CONFIG, Repository, descriptor, digest_of, layer

SCHEMA = json.loads((Path(__file__).parents[2] / "s3c_actions" / "schemas" / "result-1.json").read_text())
ARCHITECTURES = ("amd64", "arm64", "s390x")


@pytest.fixture(scope="module")
def registries(machine, tmp_path_factory):
    """The addresses of two registries: of the source and of the target."""
    names = []
    folders = [tmp_path_factory.mktemp(name) for name in ("source", "target")]
    for folder in folders:
        port = registry_server.free_port()
        registry_server.start(folder, port, machine)
        names.append(f"localhost:{port}")
    yield names
    for folder in folders:
        daemons.stop(folder / "registry.pid", machine)


@pytest.fixture
def upstream(registries, request):
    """An image of three platforms and BuildKit's attestation of the first, as `15.0` in a repository of its own."""
    repository = Repository(registries[0], f"up/{request.node.originalname.replace('_', '-')[:50].rstrip('-')}")
    # Larger than what is sent at once, and in no hurry to be compressed.
    large = os.urandom(9 * 1024 * 1024)
    repository.put_blob(large)
    images = []
    for architecture in ARCHITECTURES:
        image = repository.image([layer({"etc/arch": architecture.encode()})], architecture, architecture=architecture)
        images.append(image)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor("application/vnd.in-toto+json", large)],
    }
    repository.put_blob(b"{}")
    attested = repository.put_manifest(manifest, "attestation") | {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.digest": images[0]["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        },
    }
    index = repository.index([*images, attested], "15.0")
    return repository, index["digest"], [image["digest"] for image in images]


def reference(repository, tag="15.0"):
    return f"{repository.registry}/{repository.name}:{tag}"


def target_of(registries, repository, tag=":15.0"):
    return f"{registries[1]}/{repository.name.replace('up/', 'mirror/')}{tag}"


def at(reference):
    registry, _, rest = reference.partition("/")
    return Repository(registry, rest.partition("@")[0].partition(":")[0])


def test_all_platforms_come_to_the_byte_and_only_once(s3c, upstream, registries, tmp_path):
    repository, digest, images = upstream
    target = target_of(registries, repository)
    ended = s3c("mirror", reference(repository), target)
    assert ended.code == 0, ended.stderr
    mirror = ended.image["mirror"]
    assert mirror["source"] == f"{registries[0]}/{repository.name}@{digest}"
    assert ended.image["reference"] == mirror["reference"] == target.replace(":15.0", f"@{digest}")
    assert mirror["platforms"] == [f"linux/{architecture}" for architecture in ARCHITECTURES]
    assert (mirror["skipped"], mirror["manifests"], mirror["blobs"], mirror["replaced"]) == (False, 5, 8, "")
    assert mirror["size"] > 9 * 1024 * 1024
    assert at(target).raw("15.0") == repository.raw(digest)
    for image in images:
        assert at(target).raw(image) == repository.raw(image)
        for blob in repository.get(image)["layers"]:
            assert digest_of(at(target).blob(blob["digest"])) == blob["digest"]
    jsonschema.validate(ended.result, SCHEMA)
    assert "5 manifests and 8 blobs sent" in (tmp_path / "s3c-out" / "summary.md").read_text()

    again = s3c("mirror", reference(repository), target)
    assert (again.code, again.image["mirror"]["skipped"], again.image["mirror"]["size"]) == (0, True, 0)
    assert "is there already" in again.stderr and "nothing to do" in again.stdout


def test_a_tag_that_moved_is_followed_and_told(s3c, upstream, registries):
    repository, digest, images = upstream
    target = target_of(registries, repository)
    assert s3c("mirror", reference(repository), target).code == 0
    repository.put_raw(*repository.raw(images[1]), "15.0")
    ended = s3c("mirror", reference(repository), target)
    mirror = ended.image["mirror"]
    assert (ended.code, mirror["replaced"], mirror["blobs"], mirror["skipped"]) == (0, digest, 0, False)
    assert mirror["reference"].endswith(images[1])
    assert f"was {digest} before" in ended.stderr


def test_one_platform_comes_as_the_image_it_is(s3c, upstream, registries):
    repository, _, images = upstream
    target = target_of(registries, repository, "")
    ended = s3c("mirror", reference(repository), target, "--platforms", "linux/arm64")
    assert ended.code == 0, ended.stderr
    assert ended.image["mirror"]["reference"] == f"{target}@{images[1]}"
    assert ended.image["mirror"]["platforms"] == ["linux/arm64"]
    assert at(target).tags() == ["15.0"]


def test_several_platforms_come_as_an_index_of_their_own_with_their_attestations(s3c, upstream, registries):
    repository, digest, images = upstream
    target = target_of(registries, repository)
    ended = s3c("mirror", reference(repository), target, "--platforms", "linux/amd64,linux/s390x")
    assert ended.code == 0, ended.stderr
    index = at(target).get("15.0")
    assert [manifest["digest"] for manifest in index["manifests"][:2]] == [images[0], images[2]]
    assert index["manifests"][2]["annotations"]["vnd.docker.reference.digest"] == images[0]
    assert ended.image["digest"] != digest
    assert ended.image["mirror"]["source"].endswith(digest)
    again = s3c("mirror", reference(repository), target, "--platforms", "linux/amd64,linux/s390x")
    assert again.image["mirror"]["skipped"] is True


def test_a_platform_that_is_not_there(s3c, upstream, registries):
    repository, _, _ = upstream
    ended = s3c("mirror", reference(repository), target_of(registries, repository), "--platforms", "windows/amd64")
    assert ended.code == 2
    assert "has no image for windows/amd64" in ended.stderr and "linux/s390x" in ended.stderr
    ended = s3c(
        "mirror", reference(repository, "arm64"), target_of(registries, repository), "--platforms", "linux/amd64"
    )
    assert (ended.code, at(target_of(registries, repository)).tags()) == (2, [])


def test_referrers_come_along_when_they_are_asked_for(s3c, upstream, registries):
    repository, digest, images = upstream
    target = target_of(registries, repository)
    subject = descriptor("application/vnd.oci.image.index.v1+json", repository.raw(digest)[0])
    report = referrer(repository, subject, "application/sarif+json")
    signature = referrer(repository, report, "application/vnd.cncf.notary.signature")
    image = descriptor("application/vnd.oci.image.manifest.v1+json", repository.raw(images[0])[0])
    other = referrer(repository, image, "application/spdx+json")
    assert s3c("mirror", reference(repository), target).image["mirror"]["referrers"] == 0
    ended = s3c("mirror", reference(repository), target, "--referrers")
    assert (ended.code, ended.image["mirror"]["referrers"]) == (0, 3), ended.stderr
    for described, artifact in ((subject, report), (report, signature), (image, other)):
        listed = at(target).get(described["digest"].replace(":", "-"))["manifests"]
        assert [entry["digest"] for entry in listed] == [artifact["digest"]]
    assert s3c("mirror", reference(repository), target, "--referrers").image["mirror"]["skipped"] is True


def referrer(repository, subject, kind):
    """An artifact about another; listed by hand, since this registry lists none."""
    repository.put_blob(b"{}")
    empty = descriptor("application/vnd.oci.empty.v1+json", b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": kind,
        "config": empty,
        "layers": [empty],
        "subject": subject,
    }
    artifact = repository.put_manifest(manifest, kind.rpartition("/")[2].replace("+", "-")) | {"artifactType": kind}
    repository.index([artifact], subject["digest"].replace(":", "-"))
    return artifact


def test_within_a_registry_nothing_is_sent(s3c, upstream, registries):
    repository, digest, _ = upstream
    target = f"{registries[0]}/release/app"
    ended = s3c("mirror", f"{reference(repository).rpartition(':')[0]}@{digest}", target)
    mirror = ended.image["mirror"]
    assert (ended.code, mirror["mounted"], mirror["blobs"], mirror["size"], mirror["tag"]) == (0, 8, 0, 0, "")
    assert at(target).tags() == []
    assert at(target).raw(digest) == repository.raw(digest)


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("up/none:1", "m/none:1", "source: repository up/none does not exist"),
        ("up/none", "m/none@sha256:" + "0" * 64, "target: it has a digest"),
        ("up/none:1", "up/none:1", "target: it is the source"),
        ("up/none:1", "m/UP:1", "target: 'localhost"),
    ],
)
def test_wrong_input_is_named(s3c, registries, source, target, says):
    same = registries[0]
    ended = s3c("mirror", f"{same}/{source}", f"{same}/{target}")
    assert ended.code == 2
    assert says in ended.stderr


class Breaking:
    """In front of the source: the first pull of each large layer is cut off half-way, or always, or is changed."""

    def __init__(self, registry, how):
        outer = self
        self.cut: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                request = urllib.request.Request(f"http://{registry}{self.path}")
                request.add_header("Accept", self.headers.get("Accept", "*/*"))
                try:
                    with urllib.request.urlopen(request, timeout=30) as response:
                        code, body, headers = response.status, response.read(), dict(response.headers)
                except urllib.error.HTTPError as error:
                    code, body, headers = error.code, error.read(), dict(error.headers)
                self.send_response(code)
                for name, value in headers.items():
                    if name not in {"Connection", "Transfer-Encoding"}:
                        self.send_header(name, value)
                self.end_headers()
                if len(body) > 1024 * 1024:
                    if how == "changed":
                        body = body[:-1] + b"!"
                    elif how == "always" or self.path not in outer.cut:
                        outer.cut.add(self.path)
                        body = body[: len(body) // 2]
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.name = f"localhost:{self.http.server_port}"


@pytest.mark.parametrize(("how", "says"), [("once", ""), ("always", "its answer was cut off"), ("changed", "is other")])
def test_a_source_that_breaks(s3c, upstream, registries, how, says):
    repository, digest, _ = upstream
    breaking = Breaking(registries[0], how)
    try:
        target = target_of(registries, repository).replace(":15.0", f"-{how}:15.0")
        ended = s3c("mirror", f"{breaking.name}/{repository.name}:15.0", target)
    finally:
        breaking.http.shutdown()
        breaking.http.server_close()
    if how == "once":
        assert ended.code == 0, ended.stderr
        assert at(target).raw("15.0") == repository.raw(digest)
    else:
        assert ended.code == 3
        assert re.search(says, ended.stderr)
        assert at(target).tags() == []


def test_credentials_are_each_registry_s_own(s3c, registries, upstream):
    repository, _, _ = upstream
    ended = s3c(
        "mirror",
        reference(repository),
        target_of(registries, repository),
        "--registry-username=ann",
        environment={"S3C_REGISTRY_PASSWORD": "s3cret-word"},
    )
    assert ended.code == 0
    assert "s3cret-word" not in ended.stdout + ended.stderr + json.dumps(ended.result)
    alone = s3c("mirror", reference(repository), target_of(registries, repository), "--source-username=ann")
    assert (alone.code, "source-password" in alone.stderr) == (2, True)


def test_config_types_of_artifacts_are_left_alone(s3c, registries, upstream):
    """A Helm chart is no image: it is copied like one, and has no platform."""
    repository, _, _ = upstream
    config = b'{"name":"chart"}'
    repository.put_blob(config)
    kind = CONFIG.replace("oci.image", "cncf.helm")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(kind, config),
        "layers": [],
    }
    repository.put_manifest(manifest, "chart")
    ended = s3c("mirror", reference(repository, "chart"), target_of(registries, repository, ":chart"))
    assert (ended.code, ended.image["mirror"]["platforms"]) == (0, []), ended.stderr


@pytest.fixture
def layout():
    """An image of three platforms with an attestation of the first, as BuildKit's exporter writes it."""
    new_layout = Layout()
    images = [new_layout.image(os.urandom(100_000), architecture=architecture) for architecture in ARCHITECTURES]
    attested = new_layout.image(b"attestation") | {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.digest": images[0]["digest"]},
    }
    new_layout.named(new_layout.index(*images, attested), "1.4", "latest")
    return new_layout


def new(registries, request):
    return f"{registries[1]}/built/{request.node.originalname.replace('_', '-')[:50].rstrip('-')}"


def test_an_archive_comes_to_the_byte_and_only_once(s3c, registries, layout, request, tmp_path):
    target, digest = new(registries, request), layout.images[0]["digest"]
    layout.write(tmp_path / "image.tar")
    ended = s3c("mirror", "image.tar", f"{target}:1.4")
    assert ended.code == 0, ended.stderr
    mirror = ended.image["mirror"]
    assert (mirror["source"], ended.image["reference"]) == (f"image.tar@{digest}", f"{target}@{digest}")
    assert mirror["platforms"] == [f"linux/{architecture}" for architecture in ARCHITECTURES]
    assert (mirror["manifests"], mirror["blobs"], mirror["skipped"], mirror["mounted"]) == (5, 8, False, 0)
    repository = at(target)
    assert repository.tags() == ["1.4"]
    for path, content in layout.files.items():
        if path.startswith("blobs/"):
            kept = digest_of(content)
            got = repository.raw(kept)[0] if b"schemaVersion" in content else repository.blob(kept)
            assert got == content
    assert repository.raw("1.4")[0] == layout.files[Layout.path(digest)]
    jsonschema.validate(ended.result, SCHEMA)
    assert f"copied from `image.tar@{digest}`" in (tmp_path / "s3c-out" / "summary.md").read_text()

    again = s3c("mirror", "./image.tar", f"{target}:1.4")
    assert (again.code, again.image["mirror"]["skipped"], again.image["mirror"]["size"]) == (0, True, 0)
    untagged = s3c("mirror", tmp_path / "image.tar", target)
    assert (untagged.code, untagged.image["mirror"]["tag"], at(target).tags()) == (0, "", ["1.4"])


def test_one_platform_and_the_referrers_of_an_archive(s3c, registries, request, tmp_path):
    target, layout = new(registries, request), Layout()
    images = [layout.image(architecture=architecture) for architecture in ARCHITECTURES]
    index = layout.named(layout.index(*images))
    report = layout.referrer(index, "application/sarif+json")
    signature = layout.referrer(report, "application/vnd.cncf.notary.signature")
    layout.write(tmp_path / "image.tar")
    ended = s3c("mirror", "image.tar", f"{target}:1", "--referrers")
    assert (ended.code, ended.image["mirror"]["referrers"]) == (0, 2), ended.stderr
    for described, artifact in ((index, report), (report, signature)):
        listed = at(target).get(described["digest"].replace(":", "-"))["manifests"]
        assert [entry["digest"] for entry in listed] == [artifact["digest"]]
    single = s3c("mirror", "image.tar", f"{target}:2", "--platforms", "linux/s390x")
    assert single.image["digest"] == images[2]["digest"]


def test_one_of_several_images_of_an_archive(s3c, registries, request, tmp_path):
    target, layout = new(registries, request), Layout()
    layout.named(layout.image(b"1"), "1")
    second = layout.named(layout.image(b"2"), "2")
    layout.write(tmp_path / "image.tar")
    ended = s3c("mirror", "image.tar", f"{target}:2")
    assert (ended.code, "source-image: image.tar has several images" in ended.stderr) == (2, True)
    assert at(target).tags() == []
    ended = s3c("mirror", "image.tar", f"{target}:2", "--source-image", "2")
    assert (ended.code, ended.image["digest"]) == (0, second["digest"])
    ended = s3c("mirror", f"{target}:2", f"{target}:3", "--source-image", "2")
    assert (ended.code, "source-image: it chooses in an archive" in ended.stderr) == (2, True)


@pytest.mark.parametrize("where", ["layer", "manifest"])
def test_an_archive_with_other_content_gets_no_tag(s3c, registries, layout, request, tmp_path, where):
    """One bit of it is another: of a layer, which is told by the last piece, or of a manifest."""
    target = f"{new(registries, request)}-{where}"
    start = {"layer": b"\x1f\x8b", "manifest": b'{"schemaVersion'}[where]
    path = next(name for name, content in layout.files.items() if content.startswith(start))
    layout.files[path] = layout.files[path][:-1] + b"!"
    layout.write(tmp_path / "image.tar")
    ended = s3c("mirror", "image.tar", f"{target}:1")
    assert ended.code == 2
    assert "source: image.tar is no OCI image layout that can be believed" in ended.stderr
    assert "is other content" in ended.stderr
    assert at(target).tags() == []
    jsonschema.validate(ended.result, SCHEMA)
