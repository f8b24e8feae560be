"""The patch step against a registry, over HTTP, in which somebody else moves tags at every moment there is."""

import json
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from s3c_actions.core.errors import S3CError
from s3c_actions.core.progress import Silent
from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Registry, Writer
from s3c_actions.registry.content import compute_digest
from s3c_actions.registry.credentials import Logins
from s3c_actions.result.model import ScanResult
from s3c_actions.steps import concurrent_patches, patch
from tests.support.outcomes import PASSED

FIXABLE = Finding(
    kind=FindingKind.VULNERABILITY,
    id="CVE-1",
    severity=Severity.HIGH,
    package="libssl3",
    fixed="3.1",
    package_type="debian",
    result_class="os-pkgs",
)
PLATFORMS = ("amd64", "arm64")


class Store:
    """A registry of one repository; `meddle` is called before each request with its method and tag or digest."""

    def __init__(self):
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.meddle = lambda method, name: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are sent apart: the second would wait 40 ms

            def answer(self, code, body=b"", **headers):
                self.send_response(code)
                for name, value in {**headers, "Content-Length": len(body)}.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                kind, _, name = self.path.removeprefix("/v2/app/").partition("/")
                if kind == "tags":
                    outer.meddle("LIST", "")
                    return self.answer(200, json.dumps({"tags": sorted(outer.tags)}).encode())
                if kind == "manifests":
                    outer.meddle("GET", name)
                    name = outer.tags.get(name, name)
                content = {"manifests": outer.manifests, "blobs": outer.blobs}.get(kind, {}).get(name)
                if content is None:
                    return self.answer(200 if self.path == "/v2/" else 404, b"{}")
                media_type = json.loads(content)["mediaType"] if kind == "manifests" else "application/octet-stream"
                return self.answer(200, content, Content_Type=media_type)

            def do_PUT(self):
                name = self.path.rpartition("/")[2]
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.meddle("PUT", name)
                digest = outer.manifest(json.loads(body), body)
                if name != digest:
                    outer.tags[name] = digest
                self.answer(201, Docker_Content_Digest=digest)

            def do_DELETE(self):
                name = self.path.rpartition("/")[2]
                outer.meddle("DELETE", name)
                self.answer(202 if outer.tags.pop(name, None) else 404)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.name = f"127.0.0.1:{self.http.server_port}/app"

    def manifest(self, document, content=b""):
        content = content or json.dumps(document).encode()
        self.manifests[compute_digest(content)] = content
        return compute_digest(content)

    def image(self, layers, architecture="amd64", label="", **config):
        document = {
            "os": "linux",
            "architecture": architecture,
            "config": {"Entrypoint": ["/app"], **config, **({"labels": {"BaseImage": label}} if label else {})},
            "rootfs": {"type": "layers", "diff_ids": layers},
        }
        content = json.dumps(document).encode()
        self.blobs[compute_digest(content)] = content
        descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": compute_digest(content)}
        return self.manifest({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor, "layers": []})

    def index(self, *digests):
        entries = [
            {
                "mediaType": OCI_MANIFEST,
                "digest": digest,
                "size": len(self.manifests[digest]),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for digest, architecture in zip(digests, PLATFORMS, strict=True)
        ]
        return self.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})

    def layers(self, digest):
        """Of an image; of an index, those of all its images."""
        document = json.loads(self.manifests[digest])
        if "manifests" in document:
            return [layer for entry in document["manifests"] for layer in self.layers(entry["digest"])]
        return json.loads(self.blobs[document["config"]["digest"]])["rootfs"]["diff_ids"]


class Run:
    """A run of the step on an image, or an index of two; somebody else pushes a look-alike of what it makes."""

    def __init__(self, folder, several):
        self.store, self.folder, self.several = Store(), folder, several
        parts = [self.store.image([f"sha256:{platform}"], platform) for platform in PLATFORMS]
        self.original = self.store.index(*parts) if several else parts[0]
        self.store.tags["1"] = self.original
        label = f"{self.store.name}@{self.original}"
        evil = [self.store.image([f"sha256:{platform}", "sha256:evil"], platform, label) for platform in PLATFORMS]
        self.evil = self.store.index(*evil) if several else evil[0]
        self.evils = {self.evil, *evil}
        self.label = label

    def copa(self, image, report, tag):
        names = [path.stem.rpartition("-")[2] for path in report.iterdir()] if report.is_dir() else ["amd64"]
        (name,) = names
        patched = self.store.image([f"sha256:{name}", "sha256:patch"], name, self.label)
        pushed = f"{tag}-{name}" if report.is_dir() else tag
        self.store.meddle("PUT", pushed)
        self.store.tags[pushed] = patched
        self.store.meddle("PUSHED", pushed)
        return patched

    def scan(self, pinned, _name=""):
        digest = pinned.rpartition("@")[2]
        layers = self.store.layers(digest)
        path = self.folder / f"{digest[7:19]}.json"
        path.write_text("{}")
        findings = (FIXABLE,) if len(layers) == 1 else ()
        report = ScanReport(
            image=pinned, digest=digest, findings=findings, created="", database="", diff_ids=tuple(layers)
        )
        return ScanResult(image=pinned, reference=pinned, report=report, trivy_json=path, **PASSED)

    def __call__(self, tag="{tag}-{n}", vouched=None, patience=0.0, **more):
        registry = Registry(Logins(environment={"HOME": str(self.folder)}), timeout=10)
        tools = patch.PatchTools(
            registry=registry,
            writer=Writer(registry),
            vouched=vouched,
            scan=self.scan,
            rescan=self.scan,
            patch=self.copa,
            builds=lambda platform: True,
            host="amd64",
            progress=Silent(),
            now=datetime(2026, 11, 23, tzinfo=UTC),
            patience=patience,
        )
        settings = patch.PatchSettings(
            image=f"{self.store.name}:1@{self.original}", tag=TagTemplate.parse(tag), temp=self.folder, **more
        )
        return patch.run(settings, tools)


@pytest.fixture(params=[False, True], ids=["one image", "two platforms"])
def run(tmp_path, request):
    race = Run(tmp_path, request.param)
    yield race
    race.store.http.shutdown()
    race.store.http.server_close()


def is_ours(run, reference):
    """Whether what is handed on holds what the build made of the original, and nothing else."""
    layers = run.store.layers(reference.rpartition("@")[2])
    wanted = [layer for platform in PLATFORMS[: 1 + run.several] for layer in (f"sha256:{platform}", "sha256:patch")]
    return layers == wanted


@pytest.mark.parametrize("tag", ["{tag}-{n}", "p", "{tag}"])
def test_whenever_a_tag_moves_what_was_built_is_handed_on_or_nothing(run, tag):
    """At every single request there is, all tags that are not the original's go to the look-alike, for good."""
    done = 0
    for moment in range(200):
        run.store.tags = {"1": run.original}
        count = [0]

        def meddle(method, name, moment=moment, count=count):
            count[0] += 1
            if count[0] == moment + 1:
                named = {name} if re.fullmatch("[a-z0-9-]+", name) and ":" not in name else set()
                for moved in {*run.store.tags, *named, "1-1", "p"}:
                    run.store.tags[moved] = run.evil

        run.store.meddle = meddle
        try:
            result = run(tag, vouched=lambda reference: False, overwrite=True)
        except S3CError:
            continue
        else:
            assert is_ours(run, result.reference), (moment, result)
            done += 1
        finally:
            run.store.meddle = lambda method, name: None
        if count[0] <= moment:
            break
    else:
        pytest.fail("there was no end of it")
    assert done


def test_a_look_alike_is_taken_by_content_only_where_nobody_signs(run):
    run.store.tags["1-1"] = run.evil
    assert run().reference.endswith(run.evil)
    assert is_ours(run, run(vouched=lambda reference: False).reference)
    signed = run(vouched=lambda reference: reference.endswith(run.evil))
    assert signed.reference.endswith(run.evil)


def test_a_second_run_takes_the_signed_one_whatever_lies_beside_it(run):
    first = run(vouched=lambda reference: False)
    for name in ("1-2", "1-3"):
        run.store.tags[name] = run.evil
    again = run(vouched=lambda reference: reference == first.reference)
    assert (again.reference, again.tag, again.skipped) == (first.reference, "1-1", True)


def test_nothing_stays_of_the_temporary_tags(run):
    result = run()
    assert set(run.store.tags) == {"1", "1-1"}
    assert run.store.tags["1-1"] == result.reference.rpartition("@")[2]


def rival(run):
    """A patch of the original that another run pushes: of other content, by the same rules."""
    parts = [run.store.image([f"sha256:{platform}", "sha256:other"], platform, run.label) for platform in PLATFORMS]
    return run.store.index(*parts) if run.several else parts[0]


def at(run, method, pattern, act):
    """Do something once, at the first request of a method for a name."""
    done: list[str] = []

    def meddle(got, name):
        if not done and got == method and re.fullmatch(pattern, name):
            done.append(name)
            act()

    run.store.meddle = meddle


BUILT = r"s3c-[0-9a-f]{32}.*"


def test_a_run_that_comes_second_waits_for_the_signature_of_the_first_and_hands_its_patch_on(run, monkeypatch):
    """The other's tag appears while this one builds, and its signature a little later."""
    monkeypatch.setattr(concurrent_patches, "_LOOK", 0.01)
    other, references = rival(run), []

    def vouched(reference):
        references.append(reference)
        return reference.endswith(other) and references.count(reference) > 2

    at(run, "PUSHED", BUILT, lambda: run.store.tags.update({"1-1": other}))
    result = run(vouched=vouched, patience=20.0)
    assert (result.reference.rpartition("@")[2], result.tag, result.skipped) == (other, "1-1", True)
    # What this run built has no tag but the temporary one, which is gone.
    assert set(run.store.tags) == {"1", "1-1"}


def test_two_runs_that_end_at_once_sign_the_patch_of_the_lower_number(run, monkeypatch):
    """Both have listed the tags before either has set one: this one finds its number taken, and takes the next."""
    monkeypatch.setattr(concurrent_patches, "_LOOK", 0.01)
    other, signed = rival(run), []
    lists = [0]

    def meddle(method, name):
        lists[0] += method == "LIST"
        if method == "GET" and name == "1-1" and lists[0] >= 2:
            run.store.tags.setdefault("1-1", other)
        if method == "PUT" and name == "1-2":
            signed.append(other)

    run.store.meddle = meddle
    result = run(vouched=lambda reference: reference.rpartition("@")[2] in signed, patience=20.0)
    assert (result.reference.rpartition("@")[2], result.tag) == (other, "1-1")
    assert run.store.tags["1-1"] == other
    assert "1-2" in run.store.tags  # pushed, and never signed


def test_two_runs_that_set_one_tag_sign_the_patch_that_it_names(run, monkeypatch):
    monkeypatch.setattr(concurrent_patches, "_LOOK", 0.01)
    other = rival(run)
    at(run, "DELETE", BUILT, lambda: run.store.tags.update({"1-1": other}))
    result = run(vouched=lambda reference: reference.endswith(other), patience=20.0)
    assert (result.reference.rpartition("@")[2], result.tag) == (other, "1-1")


def test_a_run_that_was_killed_before_it_signed_is_not_waited_for_for_ever(run, monkeypatch):
    monkeypatch.setattr(concurrent_patches, "_LOOK", 0.01)
    other = rival(run)
    at(run, "DELETE", BUILT, lambda: run.store.tags.update({"1-1": other}))
    result = run(vouched=lambda _reference: False, patience=0.05)
    assert is_ours(run, result.reference)
    assert result.tag == "1-2"
    assert run.store.tags["1-1"] == other
    assert run.store.tags["1-2"] == result.reference.rpartition("@")[2]


def test_a_look_alike_that_appears_meanwhile_is_waited_for_in_vain(run, monkeypatch):
    monkeypatch.setattr(concurrent_patches, "_LOOK", 0.01)
    at(run, "PUSHED", BUILT, lambda: run.store.tags.update({"1-1": run.evil, "1-2": run.original}))
    assert is_ours(run, run(vouched=lambda _reference: False, patience=0.05).reference)


def test_a_run_that_signs_nothing_waits_for_nobody(run):
    at(run, "PUSHED", BUILT, lambda: run.store.tags.update({"1-1": rival(run)}))
    assert is_ours(run, run(patience=1e9).reference)
