"""`s3c patch` with the real Trivy, Copa, BuildKit and registry."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from s3c_actions.programs.buildkit.pool import order
from s3c_actions.programs.install.pins import COPA
from s3c_lab import registry_server
from tests.support import warm
from tests.support.oci import Repository, digest_of, layer, look_alike
from tests.support.scanning import program

ROOT = Path(__file__).resolve().parents[2]
# bcrypt of "s3cret-word", as docker-registry's htpasswd file wants it.
HTPASSWD = "ann:$2b$05$AVAkJgRTZN5DnJmXFwQ6ZOy.lymlme1L7jYxCB7xZ3zzkOSbObnPO\n"


class Cli:
    """`s3c patch` on the lab, as a process of its own."""

    def __init__(self, lab, folder, cache):
        self.lab, self.folder = lab, folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "TRIVY_CACHE_DIR": lab.trivy_cache,
            "S3C_CACHE": str(cache),
            "NO_COLOR": "1",
        }

    def argv(self, image, *flags, buildkit=None):
        address = buildkit or self.lab.buildkit
        return [
            *(sys.executable, "-m", "s3c_actions", "patch", image, "--offline", "--format", "json"),
            *("--output-dir", str(self.folder / "out"), "--buildkit-addr", address, *flags),
        ]

    def __call__(self, image, *flags, code=0, buildkit=None, **environment):
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        _, _, _, *words = self.argv(image, *flags, buildkit=buildkit)
        ended = warm.run(words, cwd=Path.cwd(), env={**self.environment, **environment})
        self.output = ended.stdout + ended.stderr
        assert ended.returncode == code, self.output
        file = self.folder / "out" / "result.json"
        (image,) = json.loads(file.read_text())["images"] if file.exists() else [{}]
        return image

    def scanned(self, image):
        """Trivy's report of an image."""
        argv = ["scan", image, "--offline", "--format", "json", "--output-dir", str(self.folder / "scan")]
        warm.run(argv, cwd=Path.cwd(), env=self.environment).check_returncode()
        (path,) = (self.folder / "scan").rglob("trivy.json")
        return path


@pytest.fixture
def cli(lab, machine, tmp_path):
    return Cli(lab, tmp_path, machine.cache)


@pytest.fixture
def image(repository, layers):
    repository.image(layers, "1.0")
    return f"{repository.registry}/{repository.name}:1.0"


def started(argv, port):
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/v2/", timeout=1)
        except urllib.error.HTTPError:
            return process
        except OSError:
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
            continue
        return process


class OwnRegistry:
    """Debian's docker-registry with its storage in a test's folder, to be read-only or guarded."""

    def __init__(self, program, folder):
        self.program, self.folder, self.process = program, folder, None
        self.port = registry_server.free_port()
        self.name = f"localhost:{self.port}"

    def serve(self, *, read_only=False, guarded=False):
        self.stop()
        config = {
            "version": "0.1",
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "storage")},
                "maintenance": {"readonly": {"enabled": read_only}},
            },
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }
        if guarded:
            (self.folder / "htpasswd").write_text(HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "lab", "path": str(self.folder / "htpasswd")}}
        (self.folder / "registry.yml").write_text(json.dumps(config))
        self.process = started([self.program, "serve", str(self.folder / "registry.yml")], self.port)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(120)
            self.process = None


@pytest.fixture
def registry(machine, tmp_path):
    own = OwnRegistry(registry_server.program(machine), tmp_path)
    own.serve()
    yield own
    own.stop()


def config_of(repository, digest):
    return json.loads(repository.blob(repository.get(digest)["config"]["digest"]))


def test_patches_proves_and_does_so_once(cli, image, repository):
    done = cli(image)
    patch = done["patch"]
    assert patch["patched"] is True and patch["skipped"] is False
    assert patch["tag"] == "1.0-1" and repository.tags() == ["1.0", "1.0-1"]
    assert done["reference"].startswith(f"{repository.registry}/{repository.name}@sha256:")
    assert repository.raw("1.0-1")[1] and patch["reference"] == done["reference"]
    assert len(patch["fixed"]) > 0 and patch["new"] == []
    fixed = {finding["id"] for finding in patch["fixed"]}
    vex = json.loads((cli.folder / "out" / repository.name.rpartition("/")[2] / "fixed.openvex.json").read_text())
    assert {statement["vulnerability"]["name"] for statement in vex["statements"]} == fixed
    assert all(finding["reason"] for finding in patch["left"])
    # Every file that changed is accounted for by the packages that were upgraded.
    assert patch["changes"]["proved"] is True
    assert patch["changes"]["unexpected"] == []
    (compared,) = patch["changes"]["platforms"]
    assert {package["action"] for package in compared["packages"]} == {"upgraded"}
    assert {finding["package"] for finding in patch["fixed"]} <= {package["name"] for package in compared["packages"]}
    assert compared["of_packages"] > 0
    assert f"{len(compared['packages'])} packages changed" in cli.output or "Only this package changed" in cli.output

    # One layer more, and the configuration is the original's but for labels, history and time.
    patched, original = (config_of(repository, tag) for tag in ("1.0-1", "1.0"))
    assert patched["rootfs"]["diff_ids"][:-1] == original["rootfs"]["diff_ids"]
    assert patched["config"].pop("labels").keys() == {"BaseImage"}
    assert patched["config"] == original["config"]

    # With no BuildKit at all: a second run finds the first one's image and starts nothing.
    again = cli(image, buildkit="unix:///nowhere.sock")["patch"]
    assert (again["patched"], again["skipped"], again["reference"]) == (True, True, patch["reference"])
    assert {finding["id"] for finding in again["fixed"]} == fixed
    assert repository.tags() == ["1.0", "1.0-1"]

    # The patched image itself has nothing left to patch.
    none = cli(done["reference"], buildkit="unix:///nowhere.sock")["patch"]
    assert (none["patched"], none["skipped"], none["reference"]) == (False, True, patch["reference"])
    assert repository.tags() == ["1.0", "1.0-1"]


def test_the_tag_that_it_is_pushed_under_is_known_to_nobody_and_means_nothing(cli, image, repository, layers):
    """A Copa that is followed by somebody who moves the tag it pushed to, before anybody looks."""
    evil = repository.image([*layers, layer({"usr/local/bin/backdoor": b"evil"})], "evil")["digest"]
    content, media_type = repository.raw("evil")
    (cli.folder / "evil.json").write_bytes(content)
    mover = cli.folder / "mover.py"
    mover.write_text(
        "import sys, urllib.request\n"
        "tag = next(word for word in sys.argv if word.startswith('--tag=')).removeprefix('--tag=')\n"
        f"body = open({str(cli.folder / 'evil.json')!r}, 'rb').read()\n"
        f"url = {repository.base!r} + '/manifests/' + tag\n"
        f"request = urllib.request.Request(url, body, {{'Content-Type': {media_type!r}}}, method='PUT')\n"
        "urllib.request.urlopen(request)\n"
    )
    shim = cli.folder / "copa"
    shim.write_text(f'#!/bin/sh\n"{program(COPA)}" "$@" || exit $?\nexec {sys.executable} "{mover}" "$@"\n')
    shim.chmod(0o700)
    done = cli(image, "--copa-path", str(shim))
    assert done["patch"]["patched"] and not done["patch"]["skipped"]
    assert done["digest"] == digest_of(repository.raw("1.0-1")[0]) != evil
    assert config_of(repository, done["digest"])["rootfs"]["diff_ids"][:-1] == [
        digest_of(gzip.decompress(blob)) for blob in layers
    ]
    (temporary,) = set(repository.every_tag()) - {"1.0", "1.0-1", "evil"}
    assert re.fullmatch("s3c-[0-9a-f]{32}", temporary)
    assert f"{temporary} was moved to {evil}" in cli.output


def test_what_only_looks_like_a_patch_is_told_or_left_alone(cli, image, repository, signing_key):
    first = cli(image)
    alike = look_alike(repository, "1.0-1", "1.0-2")
    look_alike(repository, "1.0-1", "1.0-3", User="0")
    # Without anybody to trust, what is a patch by its content is used again, and that is told.
    content = cli(image, buildkit="unix:///nowhere.sock")
    assert (content["patch"]["skipped"], content["digest"]) == (True, alike)
    assert "content alone" in cli.output and alike in cli.output
    # What it has besides is found by its layers, and refused where that is asked.
    assert content["patch"]["changes"]["unexpected"] == ["/backdoor was added: no package owns it"]
    assert "1 unexpected change: /backdoor was added" in cli.output
    refused = cli(image, "--unexpected-changes", "fail", code=1, buildkit="unix:///nowhere.sock")
    assert (refused["verdict"], refused["digest"]) == ("refused", alike)
    # Where a certificate is named, none of them is; the key is not needed to know that.
    for flags in (("--certificate", str(signing_key[1])), ("--reuse-patched", "never")):
        cli(image, *flags, code=3, buildkit="unix:///nowhere.sock")
        assert "BuildKit at unix:///nowhere.sock did not answer" in cli.output
    done = cli(image, "--certificate", str(signing_key[1]))
    assert (done["patch"]["tag"], done["patch"]["skipped"]) == ("1.0-4", False)
    assert done["digest"] not in {alike, first["digest"]}


def test_a_partial_patch_is_none(cli, repository, layers):
    repository.image([*layers, layer({"etc/apt/sources.list": b"# none\n"})], "1.0")
    image = f"{repository.registry}/{repository.name}:1.0"
    cli(image, code=3)
    assert repository.every_tag() == ["1.0"]
    assert "allow-partial" in cli.output


def test_every_platform_is_patched(cli, repository, layers):
    parts = [
        repository.image([*layers, layer({"which": variant.encode()})], f"part-{variant or 'v1'}", variant=variant)
        for variant in ("", "v2")
    ]
    repository.index(parts, "1.0")
    patch = cli(f"{repository.registry}/{repository.name}:1.0")["patch"]
    assert patch["patched"] is True and patch["platforms"] == ["linux/amd64", "linux/amd64/v2"]
    listed = repository.get("1.0-1")["manifests"]
    assert [manifest["platform"].get("variant", "") for manifest in listed] == ["", "v2"]
    assert not {manifest["digest"] for manifest in listed} & {part["digest"] for part in parts}
    for manifest, part in zip(listed, parts, strict=True):
        patched, original = (config_of(repository, digest) for digest in (manifest["digest"], part["digest"]))
        assert patched.get("variant") == original.get("variant")
        assert patched["rootfs"]["diff_ids"][:-1] == original["rootfs"]["diff_ids"]
    again = cli(f"{repository.registry}/{repository.name}:1.0", buildkit="unix:///nowhere.sock")["patch"]
    assert (again["skipped"], again["reference"]) == (True, patch["reference"])


def test_a_platform_that_cannot_be_patched_is_named_and_nothing_is_pushed(cli, repository, layers):
    mine = repository.image(layers, "mine")
    other = repository.image(layers, "other", architecture="s390x")
    repository.index([mine, other], "1.0")
    before = repository.tags()
    cli(f"{repository.registry}/{repository.name}:1.0", code=2)
    assert "linux/s390x" in cli.output and "Nothing was pushed" in cli.output
    assert repository.tags() == before


def test_buildkit_that_is_gone(cli, image, repository):
    cli(image, code=3, buildkit="unix:///nowhere/buildkitd.sock")
    assert "BuildKit at unix:///nowhere/buildkitd.sock did not answer" in cli.output
    assert "give its address as `--buildkit-addr`" in cli.output
    assert "let s3c start its own with `auto`" in cli.output
    assert repository.tags() == ["1.0"]


def test_a_pool_of_which_the_images_own_is_down(cli, image, repository, layers, lab):
    """Which one is the image's own, its lowest layer says: here one that is not there."""
    names = (f"unix:///nowhere/{number}.sock" for number in range(100))
    dead = next(name for name in names if order([name, lab.buildkit], digest_of(layers[0]))[0] == name)
    patch = cli(image, buildkit=f"{lab.buildkit},{dead}")["patch"]
    assert patch["patched"] is True
    assert f"BuildKit at {dead} did not answer. The next address of `--buildkit-addr` is taken." in cli.output


def test_something_else_than_buildkit(cli, image, lab):
    cli(image, code=3, buildkit=f"tcp://{lab.registry.replace('localhost', '127.0.0.1')}")
    assert "is not BuildKit" in cli.output


def test_copa_out_of_time(cli, image, repository):
    report = cli.scanned(image)
    cli(image, "--report", str(report), "--timeout", "2s", code=3)
    assert "Copa did not finish within 2 s" in cli.output
    assert repository.tags() == ["1.0"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text[: len(text) // 2], "cut off|not JSON|ends"),
        (lambda text: '{"bomFormat": "CycloneDX"}', "Trivy"),
        (lambda text: text.replace('"os-pkgs"', '"lang-pkgs"'), "operating system's packages"),
        (lambda text: text, "layers differ"),
    ],
)
def test_a_report_that_will_not_do(cli, image, repository, layers, lab, spoil, says):
    path = cli.scanned(f"{lab.registry}/library/debian:stable-slim")
    report = cli.folder / "report.json"
    report.write_text(spoil(path.read_text()))
    repository.image([*layers, layer({"extra": b"x"})], "1.0")
    cli(image, "--report", str(report), code=2)
    assert "report:" in cli.output and re.search(says, cli.output), cli.output
    assert repository.tags() == ["1.0"]


def test_a_registry_that_takes_nothing(cli, registry, layers):
    Repository(registry.name, "app").image(layers, "1.0")
    registry.serve(read_only=True)
    cli(f"{registry.name}/app:1.0", code=3)
    assert f"{registry.name} did not take the patched image" in cli.output
    assert Repository(registry.name, "app").tags() == ["1.0"]


def test_credentials_reach_copa_and_nobody_else(cli, registry, layers):
    Repository(registry.name, "app").image(layers, "1.0")
    registry.serve(guarded=True)
    cli(f"{registry.name}/app:1.0", code=3)
    assert "HTTP 401" in cli.output
    login = {"S3C_REGISTRY_USERNAME": "ann", "S3C_REGISTRY_PASSWORD": "s3cret-word"}
    assert cli(f"{registry.name}/app:1.0", **login)["patch"]["tag"] == "1.0-1"
    assert "s3cret-word" not in cli.output
    kept = [file for file in cli.folder.rglob("*") if file.is_file() and "storage" not in file.parts]
    assert kept and not [file for file in kept if b"s3cret-word" in file.read_bytes()]


def test_a_run_killed_in_the_middle_is_run_again(cli, image, repository):
    child = subprocess.Popen(
        cli.argv(image), env=cli.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert child.stderr is not None
    for line in child.stderr:
        if "Updating package database" in line:
            break
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    patch = cli(image)["patch"]
    assert patch["patched"] is True and patch["fixed"]
    tags = repository.tags()
    again = cli(image, buildkit="unix:///nowhere.sock")["patch"]
    assert again["patched"] is True and again["skipped"] is True
    assert repository.tags() == tags


def test_a_label_cannot_put_another_image_in_its_place(cli, repository, layers):
    """Copa takes the image that the label `BaseImage` names as the base of its patch, whatever that is."""
    evil = repository.image([*layers, layer({"usr/local/bin/backdoor": b"evil"})], "evil")
    hostile = {"title": "::set-output name=x::$(id)\n\x1b[31m<script>{{7*7}}"}
    label = f"{repository.registry}/{repository.name}@{evil['digest']}"
    repository.image(
        [*layers, layer({"app": b"mine"})], "1.0", config={"Labels": hostile, "labels": {"BaseImage": label}}
    )
    cli(f"{repository.registry}/{repository.name}:1.0", code=3)
    assert "not built on the original's layers" in cli.output
    assert "\x1b[31m" not in cli.output and "\n::set-output" not in cli.output


def test_a_buildkit_of_our_own_leaves_nothing_behind(cli, repository, layers, lab):
    repository.image([*layers, layer({"own": gzip.compress(b"x")})], "1.0")
    image = f"{repository.registry}/{repository.name}:1.0"
    flags = ("--buildkit-config", str(Path(lab.folder) / "buildkitd.toml"))
    long = cli.folder / ("temp" * 20)  # too long for the path of a socket
    long.mkdir()
    with tempfile.TemporaryDirectory() as short:
        assert cli(image, *flags, buildkit="auto", RUNNER_TEMP=str(long), TMPDIR=short)["patch"]["patched"] is True
        assert [*long.iterdir(), *Path(short).iterdir()] == []
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"--root {short}" not in running
