"""The whole chain with the real programs: what it promises, and that nothing is pushed when it cannot keep it.

Copa runs six times in this file: on the two images of the lab, twice on one whose run is killed, and twice on one that
somebody else pushes images beside.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import jsonschema
import pytest

from s3c_actions.result import document as result
from s3c_lab.certificates import SERVER_AUTH, make, usage
from tests.support import ROOT
from tests.support.oci import Repository, copy_image, digest_of, look_alike
from tests.support.processes import gone
from tests.support.scanning import program
from tests.support.signing import answering, s3c, serving, signatures, time_stamp_authority

SCHEMA = json.loads((Path(result.__file__).parent.parent / "schemas" / "result-1.json").read_text())


class Chain:
    """`s3c chain` on the lab, with a Copa and a notation that write down how they are called."""

    def __init__(self, lab, key, folder):
        from s3c_actions.programs.install.pins import COPA, NOTATION

        self.lab, self.key, self.folder = lab, key, folder
        self.calls = folder / "calls"
        self.programs = {"copa": program(COPA), "notation": program(NOTATION)}
        for name in self.programs:
            self.shim(name)

    def shim(self, name, before="", after=""):
        """Put a wrapper in a program's place; `before` and `after` are lines of shell around the program's own."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f'#!/bin/sh\necho "{name} $1" >>"{self.calls}"\n{before}\n'
            f'"{self.programs[name]}" "$@"\ncode=$?\n{after}\nexit $code\n'
        )
        path.chmod(stat.S_IRWXU)

    def __call__(self, *images, flags=(), key=True, **environment):
        """Run it; see `signing.s3c` for how it ended. `began` then holds what was started since."""
        self.calls.write_text("")
        key_flags = ("--key", self.key[0], "--certificate", self.key[1]) if key else ()
        programs = [part for name in self.programs for part in (f"--{name}-path", self.folder / "bin" / name)]
        look = ("--trivy-cache-dir", self.lab.trivy_cache, "--offline")
        buildkit = () if "--buildkit-addr" in flags else ("--buildkit-addr", self.lab.buildkit)
        every = (*look, *buildkit, *key_flags, *programs, *flags)
        with tempfile.TemporaryDirectory(dir=self.folder) as temp:
            environment |= {"RUNNER_TEMP": temp, "TMPDIR": temp}
            ended = s3c(self.folder, "chain", *images, *every, environment=environment)
            assert ended.code < 0 or not list(Path(temp).iterdir()), "something is left behind"
        return ended

    @property
    def began(self):
        """What patches or signs, of what the last run started."""
        return [call for call in self.calls.read_text().split("\n") if call in {"copa patch", "notation sign"}]


def state(reference):
    """Every tag of a reference's repository (a signature moves one as well), with the digest of what it stands for."""
    registry, _, rest = reference.partition("@")[0].partition("/")
    repository = Repository(registry, rest.partition(":")[0])
    return {tag: digest_of(repository.raw(tag)[0]) for tag in repository.tags()}


@pytest.fixture
def chain(lab, signing_key, tmp_path):
    return Chain(lab, signing_key, tmp_path)


class Done(Chain):
    """Copies of the lab's images that have been through the chain.

    Attributes:
        before: the state of each copy's repository before that.
        ended: how it ended, and `started` what it began.
    """

    def __init__(self, lab, key, folder):
        super().__init__(lab, key, folder)
        names = [(image, image.partition("/")[2].partition(":")[0]) for image in lab.images]
        self.images = [copy_image(image, f"chain-{os.getpid()}/{name}") for image, name in names]
        self.before = {image: state(image) for image in self.images}
        self.ended = self(*self.images)
        self.started = self.began


@pytest.fixture(scope="module")
def done(lab, signing_key, tmp_path_factory):
    """The lab's images after one run of the chain, which the tests share and do not change."""
    run = Done(lab, signing_key, tmp_path_factory.mktemp("chain"))
    assert run.ended.code == 0, run.ended.stderr
    return run


def test_vulnerable_images_come_out_patched_and_signed(done):
    document = done.ended.result
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["verdict"], document["exit_code"], len(document["images"])) == ("passed", 0, len(done.images))
    for image, name in zip(document["images"], done.images, strict=True):
        assert image["image"] == name
        patch, sign = image["patch"], image["sign"]
        assert image["scan"]["findings"]["high"] > 0
        assert patch["patched"] and not patch["skipped"]
        fixable = [finding for finding in patch["left"] if finding["fixed_version"]]
        assert len(fixable) == 0 or all(finding["reason"] for finding in fixable)
        assert len(patch["left"]) == patch["after"]["total"] == image["findings"]["total"]
        packages = {finding["package"] for finding in patch["fixed"]}
        assert set(patch["upgraded"]) == packages
        assert all(patch["upgraded"][finding["package"]] != finding["installed"] for finding in patch["fixed"])
        assert len(patch["fixed"]) == patch["before"]["total"] - patch["after"]["total"] + len(patch["new"])
        # The original's tag stands for what it stood for, and the new tag for what was signed.
        now, before = state(name), done.before[name]
        assert {tag: now[tag] for tag in before} == before
        assert now[patch["tag"]] == image["digest"] not in before.values()
        assert signatures(image["reference"]) == [sign["signature_digest"]]
        assert sign["verified"] and image["verify"]["signature_digest"] == sign["signature_digest"]
        assert set(now) == {*before, patch["tag"], image["digest"].replace(":", "-")}
    # Several images at once: their steps alternate as they come.
    assert sorted(done.started) == sorted(["copa patch", "notation sign"] * len(done.images))
    assert done.started[0] == "copa patch"


def test_the_reports_of_it_are_there_and_agree(done):
    assert (done.folder / "s3c-out" / "summary.md").read_text().startswith(f"### ✅ {len(done.images)} images")
    for image in done.ended.result["images"]:
        for step, files in ((image["scan"], image["scan"]["files"]), (image, image["files"])):
            findings = step["findings"]
            (run,) = json.loads(Path(files["sarif"]).read_text())["runs"]
            assert len(run["results"]) == findings["total"]
            page = Path(files["html"]).read_text()
            name, _, digest = step["reference"].partition("@")
            assert name in page and digest in page
            report = json.loads(Path(files["json"]).read_text())
            assert report["ArtifactName"] == step["reference"]
        vex = json.loads((Path(image["scan"]["files"]["json"]).parent / "fixed.openvex.json").read_text())
        assert {statement["vulnerability"]["name"] for statement in vex["statements"]} == {
            finding["id"] for finding in image["patch"]["fixed"]
        }


def test_the_story_of_each_is_told_beside_its_reports(done):
    for image in done.ended.result["images"]:
        page = Path(image["files"]["trace"])
        assert page.parent == Path(image["scan"]["files"]["json"]).parent
        assert image["digest"] in page.read_text()
        story = json.loads(Path(image["files"]["trace-json"]).read_text())
        assert story["reference"] == image["reference"]
        assert story["judgement"]["verdict"] == "admitted"
        (signature,) = story["subject"]["signatures"]
        assert (signature["digest"], signature["trust"]) == (image["sign"]["signature_digest"], "trusted")
        assert story["subject"]["documents"] == []


def test_bare_notation_verifies_what_came_out_and_nothing_else(done, signing_key, tmp_path):
    """With a trust policy written here, by the program alone."""
    store = tmp_path / "truststore" / "x509" / "ca" / "release"
    store.mkdir(parents=True)
    shutil.copy(signing_key[1], store)
    statement = {
        "name": "release",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:release"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=s3c lab, CN=s3c-e2e"],
    }
    (tmp_path / "trustpolicy.json").write_text(json.dumps({"version": "1.0", "trustPolicies": [statement]}))

    def accepts(reference):
        return subprocess.run(
            [done.programs["notation"], "verify", reference],
            env={**os.environ, "NOTATION_CONFIG": str(tmp_path)},
            capture_output=True,
            check=False,
        )

    for image in done.ended.result["images"]:
        ended = accepts(image["reference"])
        assert ended.returncode == 0, ended.stderr
        assert accepts(image["scan"]["reference"]).returncode != 0


def test_a_second_run_pushes_nothing_and_starts_neither_copa_nor_sign(done, chain):
    before = [state(image) for image in done.images]
    again = chain(
        *done.images, flags=("--baseline", done.folder / "s3c-out" / "result.json", "--baseline-name", "main")
    )
    assert again.code == 0, again.stderr
    assert chain.began == []
    for image in again.result["images"]:
        assert re.search(rf"[✔●] \S+ @ {image['digest'][:19]}…   nothing to do", again.stdout)
    assert [state(image) for image in done.images] == before
    for first, second in zip(done.ended.result["images"], again.result["images"], strict=True):
        assert second["reference"] == first["reference"]
        assert second["patch"]["patched"] and second["patch"]["skipped"] and second["sign"]["skipped"]
        assert second["findings"] == first["findings"]
        assert second["base"] == {"name": "main", "new": [], "fixed": [], "left": first["findings"]["total"]}
        assert second["sign"]["signature_digest"] == first["sign"]["signature_digest"]


def test_what_came_out_goes_in_and_nothing_is_pushed(done, chain):
    image = done.ended.result["images"][0]
    before = state(image["reference"])
    again = chain(image["reference"], flags=("--baseline", done.images[0]))
    assert again.code == 0, again.stderr
    assert again.image["base"]["name"] == done.images[0]
    assert len(again.image["base"]["fixed"]) == len(image["patch"]["fixed"]) > 0
    assert again.image["base"]["new"] == []
    assert (again.image["patch"]["patched"], again.image["sign"]["skipped"]) == (False, True)
    assert (again.image["reference"], chain.began) == (image["reference"], [])
    assert state(image["reference"]) == before


def test_one_image_that_is_not_there_keeps_the_others_from_being_touched(chain, fresh):
    existing = fresh("voting-app")
    before = state(existing)
    for missing in (existing.replace("voting-app", "voting-ap"), existing[:-1] + "9"):
        ended = chain(existing, missing)
        assert ended.code == 2, ended.stderr
        assert (ended.result["error"]["field"], ended.result["error"]["image"]) == ("image", missing)
        assert ended.result["images"] == []
        assert (chain.began, state(existing)) == ([], before)


def test_a_closed_gate_signs_nothing_and_leaves_its_reports(chain, fresh):
    image = fresh("voting-app")
    before = state(image)
    ended = chain(image, flags=("--patch=false", "--fail-on", "HIGH"))
    assert ended.code == 1, ended.stderr
    assert (chain.began, state(image)) == ([], before)
    assert (ended.result["verdict"], ended.image["sign"], ended.image["patch"]) == ("refused", None, None)
    refused = ended.image["scan"]["refused"]
    assert len(refused) == ended.image["findings"]["high"] + ended.image["findings"]["critical"] > 0
    assert "Nothing was signed" in ended.stderr
    assert refused[0]["id"] in (chain.folder / "s3c-out" / "summary.md").read_text()
    for form in ("json", "sarif", "html", "trace"):
        assert Path(ended.image["files"][form]).stat().st_size > 1000
    story = json.loads(Path(ended.image["files"]["trace-json"]).read_text())
    assert (story["judgement"]["verdict"], story["subject"]["signatures"]) == ("denied", [])


def test_what_is_switched_off_is_left_out(done, chain, fresh):
    image = fresh("voting-app")
    before = state(image)
    unpatched = chain(image, flags=("--patch=false", "--fail-on", "none"))
    assert unpatched.code == 0, unpatched.stderr
    digest = unpatched.image["digest"]
    assert (unpatched.image["patch"], chain.began) == (None, ["notation sign"])
    assert digest in before.values()
    assert set(state(image)) == {*before, digest.replace(":", "-")}

    before = state(done.images[0])
    unsigned = chain(done.images[0], flags=("--sign=false",), key=False)
    assert unsigned.code == 0, unsigned.stderr
    assert (unsigned.image["sign"], unsigned.image["verify"]) == (None, None)
    assert unsigned.image["patch"]["patched"]
    story = json.loads(Path(unsigned.image["files"]["trace-json"]).read_text())
    assert (story["judgement"]["verdict"], len(story["subject"]["signatures"])) == ("unknown", 1)
    assert (chain.began, state(done.images[0])) == ([], before)


def test_killed_between_any_two_steps_it_ends_the_same_when_run_again(chain, repository, layers):
    repository.image(layers, "1.0")
    image = f"{repository.registry}/{repository.name}:1.0"
    original = state(image)

    # What was pushed and not looked at has no tag of its own.
    chain.shim("copa", after='[ "$1" = patch ] && kill -9 $PPID')
    assert chain(image).code == -9
    assert state(image) == original

    # What is not signed could be anybody's: it is made anew.
    chain.shim("copa")
    chain.shim("notation", after='[ "$1" = sign ] && kill -9 $PPID')
    assert chain(image).code == -9
    assert chain.began == ["copa patch", "notation sign"]
    signed = state(image)
    assert set(signed) == {*original, "1.0-1", signed["1.0-1"].replace(":", "-")}

    chain.shim("notation")
    last = chain(image)
    assert last.code == 0, last.stderr
    assert (chain.began, state(image)) == ([], signed)
    assert last.image["digest"] == signed["1.0-1"]
    assert last.image["verify"]["signature_digest"] == last.image["sign"]["signature_digest"]
    assert last.image["patch"]["before"]["fixable"] > last.image["patch"]["after"]["fixable"]


def test_the_right_to_push_is_not_the_right_to_have_something_signed(chain, repository, layers):
    repository.image(layers, "1.0")
    image = f"{repository.registry}/{repository.name}:1.0"
    first = chain(image)
    assert first.code == 0, first.stderr
    good = first.image["digest"]

    # Beside it: the newest tag is not the newest patch.
    evil = {look_alike(repository, good, "1.0-2"), look_alike(repository, good, "1.0-3", Entrypoint=["/backdoor"])}
    again = chain(image)
    assert again.code == 0, again.stderr
    assert (again.image["digest"], again.image["patch"]["skipped"], chain.began) == (good, True, [])

    # In its place: there is no signed patch among the tags, and so a new one is made.
    repository.put_raw(*repository.raw("1.0-2"), "1.0-1")
    new = chain(image)
    assert new.code == 0, new.stderr
    assert chain.began == ["copa patch", "notation sign"]
    assert (new.image["patch"]["tag"], new.image["patch"]["skipped"]) == ("1.0-4", False)
    assert new.image["digest"] not in evil and signatures(new.image["reference"])
    for digest in evil:
        assert signatures(f"{repository.registry}/{repository.name}@{digest}") == []


@pytest.mark.parametrize(
    ("spoilt", "flags", "field"),
    [
        ("{}:1.4.0:x", (), "image"),
        ("UPPER/{}", (), "image"),
        ("{}\n::set-output name=a::b", (), "image"),
        ("", (), "image"),
        ("{}:no-such-tag", (), "image"),
        ("{}-nowhere:1.4.0", (), "image"),
        ("{}@sha256:" + "0" * 64, (), "image"),
        ("{}", ("--offline", "true"), "offline"),
        ("{}", ("--severity", "HIHG"), "severity"),
        ("{}", ("--fail-on", "sometimes"), "fail-on"),
        ("{}", ("--scanners", "vulns"), "scanners"),
        ("{}", ("--timeout", "soon"), "timeout"),
        ("{}", ("--patched-tag", "no spaces"), "patched-tag"),
        ("{}", ("--platform", "linux/arm64"), "platform"),
        ("{}", ("--signature-format", "pgp"), "signature-format"),
        ("{}", ("--trust-store", "nowhere.crt"), "trust-store"),
        ("{}", ("--trusted-identity", "C=US, ST=WA, O=elsewhere"), "trust-store"),
        ("{}", ("--verification-level", "audit"), "trust-store"),
        ("{}", ("--ignore-files", "nowhere"), "ignore-files"),
        ("{}", ("--no-such-flag",), "command line"),
    ],
)
def test_wrong_input_is_named_before_anything_is_done(chain, fresh, spoilt, flags, field):
    image = fresh("voting-app")
    before = state(image)
    ended = chain(spoilt.format(image if spoilt == "{}" else image.rpartition(":")[0]), flags=flags)
    assert ended.code == 2, ended.stderr
    assert re.search(f"^s3c chain: (--)?{field}: ", ended.stderr, re.MULTILINE), ended.stderr
    assert not re.search(r"^::|Traceback", ended.stderr, re.MULTILINE)
    assert (chain.began, state(image)) == ([], before)


def test_without_a_key_it_says_how_to_do_without(chain, fresh):
    image = fresh("voting-app")
    before = state(image)
    ended = chain(image, key=False)
    assert (ended.code, "s3c chain: --key: no signing key is given" in ended.stderr) == (2, True), ended.stderr
    assert "set `--sign` to false" in ended.stderr
    assert (chain.began, state(image)) == ([], before)


def test_a_certificate_that_will_not_do_is_told_before_anything_is_pushed(chain, fresh, tmp_path):
    image = fresh("voting-app")
    before = state(image)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    wrong = {
        "expired": (make("old", start=yesterday - timedelta(days=9), end=yesterday), "expired on"),
        "not-yet": (make("new", start=yesterday + timedelta(days=9)), "valid only from"),
        "web": (make("web", extended=(SERVER_AUTH,)), "serverAuth"),
        "seals": (make("seals", key_usage=usage("key_encipherment")), "digitalSignature"),
        "short": (make("short", spec="RSA-1024"), "1024"),
    }
    for name, (identity, says) in wrong.items():
        chain.key = identity.write(tmp_path, name)
        ended = chain(image)
        assert ended.code == 2, ended.stderr
        assert ended.stderr.startswith("s3c chain: --certificate: ") and says in ended.stderr, ended.stderr
        assert (chain.began, state(image)) == ([], before)
    chain.key = (make("one").write(tmp_path, "one")[0], make("two").write(tmp_path, "two")[1])
    ended = chain(image)
    assert (ended.code, "does not belong to" in ended.stderr) == (2, True), ended.stderr
    assert (chain.began, state(image)) == ([], before)


def test_a_trust_store_that_does_not_trust_the_signer_is_told_before_anything_is_pushed(chain, fresh, tmp_path):
    image = fresh("voting-app")
    before = state(image)
    _, stranger = make("stranger").write(tmp_path, "stranger")
    identity = ("--trust-store", chain.key[1], "--trusted-identity", "C=US, ST=WA, O=somebody else")
    unnamed = chain(image, flags=identity)
    assert (unnamed.code, unnamed.stderr.startswith("s3c chain: --trusted-identity: ")) == (2, True), unnamed.stderr
    ended = chain(image, flags=("--trust-store", stranger))
    assert ended.code == 2, ended.stderr
    assert ended.stderr.startswith("s3c chain: --trust-store: "), ended.stderr
    assert (chain.began, state(image)) == ([], before)


def test_time_stamps_are_asked_for_without_a_trust_store_too(chain, fresh, tmp_path):
    """Then the certificate that signs is trusted, and the authorities of time-stamps that are named."""
    image = fresh("voting-app")
    with time_stamp_authority(tmp_path / "tsa") as stamps, time_stamp_authority(tmp_path / "other") as other:
        sign = ("--timestamp-url", stamps.url, "--timestamp-root-cert", stamps.root)
        flags = ("--patch=false", "--fail-on", "none", *sign, "--trusted-timestamp-root")
        good = chain(image, flags=(*flags, stamps.root))
        assert good.code == 0, good.stderr
        assert good.image["sign"]["timestamped"] is True
        assert good.image["verify"]["signature_digest"] == good.image["sign"]["signature_digest"]
        refused = chain(image, flags=(*flags, other.root))
    assert (refused.code, "time-stamp of its signature is not trusted" in refused.stderr) == (1, True), refused.stderr


def test_a_buildkit_that_is_gone(chain, fresh):
    image = fresh("voting-app")
    before = state(image)
    ended = chain(image, flags=("--buildkit-addr", "unix:///nowhere/buildkitd.sock"))
    assert ended.code == 3, ended.stderr
    assert "BuildKit at unix:///nowhere/buildkitd.sock did not answer" in ended.stderr
    assert (chain.began, state(image)) == ([], before)
    assert ended.image["scan"]["findings"]["high"] > 0


def test_a_copa_that_takes_too_long(chain, fresh):
    image = fresh("voting-app")
    before = state(image)
    chain.shim("copa", before='[ "$1" = patch ] && sleep 600')
    started = time.monotonic()
    ended = chain(image, flags=("--timeout", "20s"))
    assert ended.code == 3, ended.stderr
    assert "Copa did not finish within 20 s" in ended.stderr
    assert time.monotonic() - started < 300
    assert (chain.began, state(image)) == (["copa patch"], before)


def test_ended_by_a_signal_it_leaves_nothing(chain, fresh):
    """As a cancelled job ends it; the shim of Copa is what sends it, and then waits to be ended in its turn."""
    image = fresh("voting-app")
    before = state(image)
    pid = chain.folder / "pid"
    chain.shim("copa", before=f'[ "$1" = patch ] && echo $$ >"{pid}" && kill -TERM $PPID && exec sleep 600')
    ended = chain(image)
    assert ended.code == 130, ended.stderr
    assert "run it again" in ended.stderr and "Traceback" not in ended.stderr
    assert gone(pid)
    assert state(image) == before


class Slow(BaseHTTPRequestHandler):
    """A registry that takes its time; `asked` holds the methods of the requests."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.command)
        threading.Event().wait(30)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("code", "says"), [(401, "no credentials"), (403, "no credentials"), (429, "HTTP 429"), (500, "HTTP 500")]
)
def test_a_registry_that_refuses(chain, fresh, code, says):
    good = fresh("voting-app")
    before = state(good)
    with answering(code) as registry:
        for images in ((f"{registry}/app:1.0",), (good, f"{registry}/app:1.0")):
            ended = chain(*images)
            assert (ended.code, says in ended.stderr) == (3, True), ended.stderr
            assert f"(image {registry}/app:1.0; exit 3)" in ended.stderr
            assert (chain.began, state(good)) == ([], before)


def test_a_registry_that_is_down_or_slow(chain, fresh):
    good = fresh("voting-app")
    before = state(good)
    ended = chain(good, "localhost:9/app:1.0")
    assert (ended.code, "refused the connection" in ended.stderr) == (3, True), ended.stderr
    assert "(image localhost:9/app:1.0; exit 3)" in ended.stderr
    assert (chain.began, state(good)) == ([], before)

    with serving(Slow) as registry:
        ended = chain(good, f"{registry}/app:1.0", flags=("--timeout", "3s"))
    assert (ended.code, "did not answer within 3 s" in ended.stderr) == (3, True), ended.stderr
    assert set(Slow.asked) <= {"GET", "HEAD"}
    assert (chain.began, state(good)) == ([], before)


def test_a_disk_that_is_full_in_the_cache(chain, fresh, tmp_path):
    """The cache holds Trivy's database as well, which is copied there and does not fit. Mounting needs root."""
    image = fresh("voting-app")
    before = state(image)
    cache = tmp_path / "small"
    cache.mkdir()
    mounted = f'mount -t tmpfs -o size=64k,mode=0700 tmpfs "{cache}" && exec "$@"'
    flags = ["--sign=false", "--offline", "--trivy-cache-dir", chain.lab.trivy_cache, "--programs-mirror"]
    flags += ["http://127.0.0.1:9", "--output-dir", str(tmp_path / "out"), "--buildkit-addr", chain.lab.buildkit]
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, "sh", sys.executable, "-m", "s3c_actions", "chain", image, *flags],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "S3C_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 3, ended.stderr
    assert "is full" in ended.stderr and "S3C_CACHE" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
    assert state(image) == before
