"""Hostile files and texts: each ends in an error that names it, in time that grows with its size and no faster."""

from __future__ import annotations

import ast
import contextlib
import faulthandler
import io
import json
import os
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from urllib3.util.ssltransport import SSLTransport

from s3c_actions.cluster import client, denials, manifests
from s3c_actions.core import reading, response_limits, writing
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.findings import trivy_report
from s3c_actions.github import errors
from s3c_actions.github.run import read_run
from s3c_actions.policy import licences, model
from s3c_actions.policy.judge import forbidden_contents
from s3c_actions.programs.trivy import ignore
from s3c_actions.registry import challenges
from s3c_actions.report.formats import csv_file, dockerfile_parser
from s3c_actions.report.render import escape
from tests.support.sources import nodes

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """A hang ends the test process with the place where it hangs, instead of the whole run's time limit."""
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


# Files


def test_a_file_is_read_within_its_limit(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"a" * 10)
    assert reading.read_file(file, 10) == b"a" * 10
    with pytest.raises(OSError, match="larger than"):
        reading.read_file(file, 9)


def special(kind: str, place: Path) -> Path:
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "link to a fifo":
        os.mkfifo(place.with_suffix(".fifo"))
        place.symlink_to(place.with_suffix(".fifo"))
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        os.mknod(place, 0o140600)  # what a socket that was bound leaves behind
    return place


KINDS = ("fifo", "link to a fifo", "device", "socket")


def test_a_file_whose_size_is_not_known_is_read_to_its_end():
    assert reading.read_file(Path("/proc/self/status")).startswith(b"Name:")
    with pytest.raises(OSError, match="larger"):
        reading.read_file(Path("/proc/self/status"), 5)


def test_a_small_file_takes_no_memory_for_a_large_one(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"a" * 10)
    tracemalloc.start()
    try:
        assert reading.read_file(file, reading.MAX_REPORT_BYTES) == b"a" * 10
        assert tracemalloc.get_traced_memory()[1] < reading.MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    with pytest.raises(OSError, match="FIFO"):
        reading.read_file(special(kind, tmp_path / "x"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", [model.read, ignore.read, trivy_report.read], ids=["policy", "ignore file", "report"])
def test_no_input_that_names_a_file_waits_for_it(tmp_path, kind, read):
    with pytest.raises(InputError, match="FIFO"):
        read(special(kind, tmp_path / "x.yaml"))


def test_a_pipe_that_was_handed_over_is_read_to_its_end(monkeypatch):
    ours, theirs = os.pipe()
    os.write(theirs, b"content")
    os.close(theirs)
    assert reading.read_file(Path(f"/dev/fd/{ours}")) == b"content"
    os.close(ours)
    monkeypatch.setattr(reading, "PIPE_SECONDS", 0.1)
    ours, theirs = os.pipe()
    with pytest.raises(TimeoutError):
        reading.read_file(Path(f"/dev/fd/{ours}"))
    os.close(ours)
    os.close(theirs)


# Texts


def deep(opening: str, closing: str = "", levels: int = 20_000) -> str:
    return opening * levels + closing * levels


def laughs(merge: bool, levels: int = 12) -> str:
    inner = "{{<<: [{}]}}" if merge else "[{}]"
    lines = ["  m0: &m0 {a: b}"]
    lines += [f"  m{n}: &m{n} " + inner.format(", ".join([f"*m{n - 1}"] * 9)) for n in range(1, levels)]
    return "\n".join([*lines, ""])


def chain(levels: int = 1400) -> str:
    return "  a0: &a0 [x]\n" + "".join(f"  a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, levels))


YAMLS = {
    "deep lists": f"data: {deep('[', ']')}\n",
    "deep mappings": f"data: {deep('{a: ', '}')}\n",
    "deep, closed in strings": "data: " + deep('["]", ') + deep("", "]") + "\n",
    "deep dashes": f"data:\n  {deep('- ')}x\n",
    "deep keys": "data:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 1500)),
    "aliases of aliases": "data:\n" + laughs(merge=False),
    "merges of merges": "data:\n" + laughs(merge=True),
    "a chain of aliases": "data:\n" + chain(),
    "a list of itself": "data: &a [*a]\n",
    "a mapping merged into itself": "data: &a\n  <<: *a\n",
    "a value of another type": "data: [!!int x, !!float y]\n",
    "a long number": f"data: {'9' * 6000}\n",
    "half a character": 'data: "\\uD800"\n',
}


@pytest.mark.parametrize("text", YAMLS.values(), ids=YAMLS.keys())
def test_hostile_yaml_is_wrong_input(tmp_path, text):
    def parsed() -> None:
        manifests.parse(HEAD + text, source="a.yaml")
        list(manifests.parse_objects(HEAD + text, "a.yaml"))

    if text == YAMLS["a long number"]:  # kubectl reads a number that is none of Go's as a text
        (document,) = manifests.parse_objects(HEAD + text, "a.yaml")
        assert document["data"] == "9" * 6000
    else:
        with pytest.raises(InputError):
            parsed()
    with pytest.raises(reading.YamlError):
        reading.parse_yaml(text)
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(InputError):
        ignore.read(file)
    with pytest.raises(InputError):
        model.read(file)


@pytest.mark.slow
def test_many_merges_in_one_mapping_are_no_hang():
    many = 20_000
    text = (
        f"{HEAD}x:\n"
        + "".join(f"  m{n}: &m{n} {{k{n}: v}}\n" for n in range(many))
        + f"spec: {{<<: [{', '.join(f'*m{n}' for n in range(many))}]}}\n"
    )
    assert manifests.parse(text, source="a.yaml").uses == ()


@pytest.mark.parametrize("end", ["\u2028 *a}]}", "\n *a}]}", "\x85*a}]}"])
def test_a_comment_before_an_alias_is_no_hang(end):
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: &a x/y:1}\nspec: {containers: [{name: c, image: "
        f"{'#' * 200}{end}\n"
    )
    (use,) = manifests.parse(text, source="a.yaml").uses
    assert use.image == "x/y:1"


def test_shared_values_of_an_ordinary_size_are_read():
    text = f"{HEAD}data:\n  a: &a {{b: c}}\n  d: {{<<: *a}}\n  e: [*a, *a]\n"
    assert next(manifests.parse_objects(text, "a.yaml"))["data"]["e"] == [{"b": "c"}, {"b": "c"}]
    assert reading.parse_yaml("a: &a {b: [1]}\nc: {<<: *a}\n")["c"] == {"b": [1]}


@pytest.mark.parametrize("text", [deep("[", "]", 200_000), deep('{"a":', "}"), deep("[", "]", 300), "1" * 10_000])
def test_hostile_json_is_no_json(text):
    with pytest.raises(ValueError, match=r"nested|JSON|limit|Expecting"):
        reading.parse_json(text)


def test_json_of_an_ordinary_depth_is_read():
    assert reading.parse_json(deep("[", "]", 150)) == json.loads(deep("[", "]", 150))


@pytest.mark.parametrize("at", ["Results", "X", "Metadata", "SchemaVersion"])
def test_a_report_nested_deeply_anywhere_is_wrong_input(tmp_path, at):
    file = tmp_path / "report.json"
    start = '"SchemaVersion":2,' if at != "SchemaVersion" else ""
    file.write_text(f'{{{start}"ArtifactName":"x","ArtifactType":"container_image","{at}":{deep("[", "]", 200_000)}}}')
    with pytest.raises(InputError, match="report"):
        trivy_report.read(file)


@pytest.mark.parametrize("text", [*YAMLS.values(), "contexts: 5\ncurrent-context: a\n", "- a\n", ""])
def test_a_hostile_kubeconfig_is_wrong_input(tmp_path, text):
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(InputError, match="kubeconfig"):
        client.connect(str(file), "", timeout=1, temp=tmp_path, hide=lambda _: None)


# Who reads and writes

READERS = ("read_text", "read_bytes", "write_text", "write_bytes")
OURS = {
    "s3c_actions/core/reading.py": "the reader",
    "s3c_actions/azure/plugin.py": "a file of our own in a folder of our own",
    "s3c_actions/wiring/kubernetes.py": "our own temporary folder",
    "s3c_actions/wiring/install_gate.py": "our own temporary folder",
    "s3c_actions/registry/credentials.py": "our own temporary folder",
    "s3c_actions/cluster/gate/manifests.py": "a file of the package",
    "s3c_actions/github/artifact.py": "a file of the package; a folder made anew",
    "s3c_actions/policy/export.py": "a file of the package",
    "s3c_actions/programs/buildkit/buildkit.py": "our own temporary folder; /proc",
    "s3c_actions/programs/buildkit/container.py": "our own temporary folder; /proc",
    "s3c_actions/programs/containers/container.py": "/proc",
    "s3c_actions/programs/containers/docker_cli.py": "/proc",
    "s3c_actions/programs/containers/runc.py": "our own temporary folder",
    "s3c_actions/programs/install/gobuild.py": "files of the package",
    "s3c_actions/programs/install/locate.py": "our own cache",
    "s3c_actions/programs/notation/home.py": "our own temporary folder",
    "s3c_actions/programs/trivy/trivy.py": "our own temporary folder",
    "s3c_actions/registry/oci_layout.py": "our own temporary folder",
    "s3c_actions/programs/install/pins.py": "files of the package",
    "s3c_actions/core/records.py": "our own private folder",
    "s3c_actions/cli/publish.py": "a folder made anew",
    "s3c_actions/cli/run.py": "a folder made anew",
    "s3c_actions/steps/reuse.py": "our own cache",
    "s3c_actions/layers/kept_layers.py": "files of the package",
}
"""Where files are read or written without the safe functions, and why they may be."""
PARSERS = {("json", "loads"), ("yaml", "load"), ("yaml", "safe_load"), ("YAML", "load")}
PARSED = {
    "s3c_actions/core/reading.py": "the parser",
    "s3c_actions/core/records.py": "our own JSON in a private folder",
    "s3c_actions/policy/export.py": "our own JSON",
    "s3c_actions/cluster/gate/manifests.py": "a file of the package",
    "s3c_actions/github/artifact.py": "a file of the package",
    "s3c_actions/azure/kubernetes_service.py": "looked at by check_yaml before",
    "s3c_actions/scaffold/inspection.py": "looked at by check_yaml_events before",
}


def calls(path: Path) -> set[tuple[str, str]]:
    return {
        (node.func.value.id if isinstance(node.func.value, ast.Name) else "", node.func.attr)
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_files_are_read_and_written_by_the_safe_functions_alone():
    root = Path(reading.__file__).parent.parent
    calls_by_file = {str(path.relative_to(root.parent)): calls(path) for path in root.rglob("*.py")}
    unsafe = {name for name, called in calls_by_file.items() if {attribute for _, attribute in called} & set(READERS)}
    assert unsafe <= OURS.keys(), "use s3c_actions.core.reading and s3c_actions.core.writing"
    assert {name for name, called in calls_by_file.items() if called & PARSERS} <= PARSED.keys(), (
        "use s3c_actions.core.reading"
    )


def test_every_module_that_makes_an_http_client_limits_its_answers():
    makers = {"Session", "Github", "PipelineClient", "RequestsTransport", "new_client_from_config"}
    root = Path(reading.__file__).parent.parent
    for path in root.rglob("*.py"):
        called = calls(path)
        names = {node.func.id for node in nodes(path) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        if ({attribute for _, attribute in called} | names) & makers or ("requests", "get") in called:
            assert (
                called & {("response_limits", "install_limits"), ("web", "create_session")}
                or path.name == "artifact.py"
            ), path


# Writing


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Iterator[Path]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with writing.guard_links(folder):
        yield folder


def test_a_file_is_new_and_replaces_what_had_its_name(workspace):
    (workspace / "other").write_text("kept")
    (workspace / "link").symlink_to("other")
    os.mkfifo(workspace / "fifo")
    for name in ("link", "fifo", "new"):
        writing.write(workspace / name, "text")
        assert not (workspace / name).is_symlink()
        assert (workspace / name).read_text() == "text"
    assert (workspace / "other").read_text() == "kept"
    assert {path.name for path in workspace.iterdir()} == {"other", "link", "fifo", "new"}


def test_a_written_file_has_the_mode_of_the_umask(workspace):
    before = os.umask(0o022)
    try:
        assert writing.write(workspace / "a", "").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("link", ["out", "out/report.json", "out/deep/report.json", "out/deep"])
def test_links_that_lead_out_of_the_workspace_are_refused(workspace, link, absolute):
    home = workspace.parent / "home"
    (home / "deep").mkdir(parents=True)
    (home / "report.json").write_text("kept")
    place = workspace / link
    place.parent.mkdir(parents=True, exist_ok=True)
    target = home / "report.json" if link.endswith("json") else home
    place.symlink_to(target if absolute else os.path.relpath(target, place.parent))
    for tried in (writing.write, lambda path, _: writing.copy(home / "report.json", path)):
        with pytest.raises(InputError, match="leads out of the workspace"):
            tried(workspace / "out" / "deep" / "report.json" if "deep" in link else workspace / "out/report.json", "x")
    with pytest.raises(InputError):
        writing.check_inside(workspace / "out", ("report.json",))
    assert (home / "report.json").read_text() == "kept"
    assert sorted(path.name for path in home.iterdir()) == ["deep", "report.json"]


def test_a_chain_of_links_and_a_dangling_one_are_followed_to_their_end(workspace):
    (workspace / "first").symlink_to("second")
    (workspace / "second").symlink_to(workspace.parent / "nowhere")
    (workspace / "loop").symlink_to("loop")
    for name in ("first", "second", "loop"):
        with pytest.raises(InputError, match="link"):
            writing.write(workspace / name / "a", "x")


def test_links_within_the_workspace_and_places_outside_of_it_are_the_users(workspace):
    (workspace / "reports").mkdir()
    (workspace / "out").symlink_to("reports")
    writing.write(Path("out/a"), "text")
    assert (workspace / "reports" / "a").read_text() == "text"
    outside = workspace.parent / "elsewhere"
    outside.mkdir()
    (workspace.parent / "named").symlink_to(outside)
    writing.write(workspace.parent / "named" / "a", "text")
    assert (outside / "a").read_text() == "text"


def test_the_workspace_itself_may_hold_links_of_others(workspace):
    (workspace / "python").symlink_to("/usr/bin/python3")
    writing.check_inside(workspace, ("result.json",))
    (workspace / "result.json").symlink_to("/etc/hosts")
    with pytest.raises(InputError):
        writing.check_inside(workspace, ("result.json",))


def test_which_folder_is_the_workspace(tmp_path):
    (tmp_path / ".git").mkdir()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert writing.guarded_folder({}, below) == tmp_path.resolve()
    assert writing.guarded_folder({"GITHUB_WORKSPACE": str(below)}, tmp_path) == below.resolve()


def test_the_runners_files_are_appended_to_when_they_are_files(tmp_path):
    file = tmp_path / "output"
    writing.append(file, "a\n")
    writing.append(file, "b\n")
    assert file.read_text() == "a\nb\n"
    with pytest.raises(OSError, match=r"FIFO|No such device"):
        writing.append(special("fifo", tmp_path / "fifo"), "x")


# Answers


class Clock:
    """Time that goes on when something is received."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("s3c_actions.core.response_limits.time.monotonic", lambda: self.now)


class Dripping:
    """A raw stream that gives a few bytes after some time."""

    def __init__(self, clock, seconds, data):
        self.clock, self.seconds, self.data = clock, seconds, data

    def readinto(self, buffer):
        self.clock.now += self.seconds
        buffer[: len(self.data)] = self.data
        return len(self.data)

    def close(self):
        pass


class Socket:
    def __init__(self):
        self.limits = []

    def gettimeout(self):
        return 30.0

    def settimeout(self, seconds):
        self.limits.append(seconds)

    def fileno(self):
        return 3


def test_headers_that_drip_are_given_up_after_the_time_limit(monkeypatch):
    clock = Clock(monkeypatch)
    stream = response_limits._Stream(Dripping(clock, 1.0, b"x"), Socket())
    buffer, count = bytearray(8), 0
    with pytest.raises(response_limits.TooSlow):
        for count in range(1000):  # noqa: B007
            stream.readinto(buffer)
    assert 29 <= count <= 31


def test_a_body_that_drips_is_given_up_and_a_large_one_is_not(monkeypatch):
    clock = Clock(monkeypatch)
    trickle = response_limits._Stream(Dripping(clock, 1.0, b"x"), Socket())
    trickle.in_body = True
    with pytest.raises(response_limits.TooSlow):
        for _ in range(1000):
            trickle.readinto(bytearray(8))
    clock.now = 0.0
    large = response_limits._Stream(Dripping(clock, 1.0, b"x" * 16 * 1024), Socket())
    large.in_body = True
    for _ in range(1000):
        large.readinto(bytearray(16 * 1024))
    assert clock.now == 1000


def test_headers_without_an_end_are_too_large(monkeypatch):
    stream = response_limits._Stream(Dripping(Clock(monkeypatch), 0.0, b"x" * 8192), Socket())
    with pytest.raises(HTTPException, match="headers"):
        for _ in range(1000):
            stream.readinto(bytearray(8192))


def test_the_sockets_own_limit_is_put_back(monkeypatch):
    sock = Socket()
    response_limits._Stream(Dripping(Clock(monkeypatch), 0.0, b"x"), sock).readinto(bytearray(1))
    assert sock.limits[-1] == 30.0


def test_an_answer_is_read_through_the_limit():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: y\r\n\r\nbody")
    theirs.close()
    ours.settimeout(5)
    answer = response_limits._response_class()(ours, method="GET")
    answer.begin()
    assert (answer.status, answer.getheader("X"), answer.read()) == (200, "y", b"body")
    answer.close()
    ours.close()


@pytest.mark.parametrize(("family", "limited"), [(socket.AF_UNIX, False), (socket.AF_INET, True)])
def test_a_local_daemon_is_waited_for_and_a_host_is_not(family, limited, monkeypatch):
    # Docker's answer to who waits for a container is one line, when it has ended: after minutes.
    monkeypatch.setattr(response_limits, "DEFAULT_SECONDS", 0.1)
    pair, theirs = socket.socketpair()
    with theirs, socket.socket(family, socket.SOCK_STREAM, fileno=pair.detach()) as ours:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        answer = response_limits._response_class()(ours, method="GET")
        answer.begin()
        later = threading.Timer(0.3, theirs.sendall, [b"body"])
        later.start()
        with pytest.raises(response_limits.TooSlow) if limited else contextlib.nullcontext():
            assert answer.read() == b"body"
        later.join()
        answer.close()


def test_an_answer_through_a_proxy_that_is_reached_by_tls_is_read():
    # urllib3's TLS within TLS is no socket, and has only some of its names.
    ours, theirs = socket.socketpair()
    with theirs, ours:
        tunnel: Any = SSLTransport.__new__(SSLTransport)
        tunnel.socket, tunnel._io_refs, tunnel._closed = ours, 0, False
        tunnel.recv_into = ours.recv_into
        ours.settimeout(5)
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
        answer = response_limits._response_class()(tunnel, method="GET")
        answer.begin()
        assert answer.read() == b"body"
        answer.close()


# Challenges

ASKED = {"realm": "https://auth.example/token", "service": "s", "scope": "*"}
BEARER = 'Bearer realm="https://auth.example/token",service="s",scope="*"'


@pytest.mark.parametrize(
    ("lines", "scheme", "parameters"),
    [
        ([BEARER], "bearer", ASKED),
        ([BEARER, 'Basic realm="R"'], "bearer", ASKED),
        (
            [f'Basic realm="R", {BEARER}'],
            "bearer",
            {"realm": "https://auth.example/token", "service": "s", "scope": "*"},
        ),
        (["Negotiate", 'Basic realm="R"'], "basic", {"realm": "R"}),
        (['Negotiate YII/+=, Basic realm="R"'], "basic", {"realm": "R"}),
        (["Bearer realm=https://a/t,service=s"], "bearer", {"realm": "https://a/t", "service": "s"}),
        (['bearer Realm = "https://a/t" , Service="s"'], "bearer", {"realm": "https://a/t", "service": "s"}),
        (['Bearer error="a \\"b\\", c",realm="https://a/t"'], "bearer", {"error": 'a "b", c', "realm": "https://a/t"}),
        (['Bearer realm="https://a/t,u"'], "bearer", {"realm": "https://a/t,u"}),
        (["Bearer", 'Basic realm="R"'], "basic", {"realm": "R"}),
        (["Bearer"], "bearer", {}),
        (["Basic"], "basic", {}),
    ],
)
def test_challenges_of_every_form_are_read(lines, scheme, parameters):
    chosen = challenges.choose(challenges.parse(lines))
    assert chosen is not None
    assert (chosen.scheme, chosen.parameters) == (scheme, parameters)


@pytest.mark.parametrize("text", ["", "Negotiate", "Digest realm=x", "=,=", '"', "a=b"])
def test_without_a_way_that_we_know_there_is_none(text):
    assert challenges.choose(challenges.parse([text])) is None


@pytest.mark.parametrize("unit", ["a", 'a="', "a=", "a ", '"', "\\", "a,", 'a="\\', " ", "=", "Bearer a=b, "])
def test_a_challenge_of_any_size_is_read_to_its_limit_alone(unit):
    parsed = challenges.parse(["Bearer " + unit * 1_000_000])
    assert (
        sum(len(challenge.scheme) + sum(map(len, challenge.parameters)) for challenge in parsed)
        <= challenges.MAX_CHARACTERS
    )


# Texts for people


@pytest.mark.parametrize(
    "invisible",
    [
        *"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180e\u180f\u200b\u200d\u2060\u2800\u3164\ufe00\ufe0f\ufeff",
        *"\uffa0\U00016fe4\U0001d159\U000e0001\U000e0041\U000e0100\U000e01ef",
    ],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_what_shows_nothing_is_shown(invisible):
    for name in (f"open{invisible}ssl", f"openssl{invisible}", f"{invisible}openssl"):
        assert escape.line(name) != escape.line("openssl")
        assert invisible not in escape.line(name)
        assert "\N{REPLACEMENT CHARACTER}" in escape.line(name)
        assert invisible not in escape.block(name)
        assert invisible not in escape.markdown(name)
        assert invisible not in csv_file._joined((name, "x"))


@pytest.mark.parametrize("text", ["مكتبة التشفير", "नमस्ते", "größe", "ライブラリ", "e\u0301", "👍", "라이브러리"])
def test_texts_of_the_worlds_languages_stay(text):
    assert escape.line(text) == text


# Licences


@pytest.mark.parametrize(
    ("refused", "says", "counts"),
    [
        ("AGPL-3.0-only", "AGPL-3.0", True),
        ("AGPL-3.0-only", "AGPL-3.0+", True),
        ("AGPL-3.0-only", "AGPL-3.0-or-later", True),
        ("AGPL-3.0-only", "(MIT OR agpl-3.0-OR-LATER)", True),
        ("AGPL-3.0-or-later", "AGPL-3.0+", True),
        ("AGPL-3.0-or-later", "AGPL-3.0-only", False),
        ("AGPL-3.0", "AGPL-3.0-only", True),
        ("AGPL-3.0+", "AGPL-3.0-or-later", True),
        ("AGPL-3.0-only", "LGPL-3.0", False),
        ("AGPL-3.0-only", "GPL-3.0", False),
        ("GPL-2.0-only", "GPL-2.0-with-classpath-exception", True),
        ("GPL-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0-with-classpath-exception", "GPL-2.0-only", False),
        ("GPL-2.0-only", "eCos-2.0", True),
        ("MPL-1.1", "MPL-1.1+", True),
        ("SSPL-1.0", "SSPL-1.0", True),
    ],
)
def test_licences_of_every_age_are_matched(refused, says, counts):
    policy = model.parse(f"version: 1\nlicenses: {{refuse: ['{refused}']}}")
    for field in ("licenseConcluded", "licenseDeclared"):
        forbidden = forbidden_contents(policy, {"packages": [{"name": "a", field: says}]})
        assert [content.by for content in forbidden] == ([refused] if counts else [])


def test_an_identifier_that_nobody_knows_stands_for_itself():
    assert licences.current_identifiers("X-1.0") == {"x-1.0"}


# Services


@pytest.mark.parametrize("error", [KeyError("repository"), TypeError("x"), ValueError("x"), AttributeError("x")])
def test_an_answer_that_is_not_githubs_is_an_outside_failure(error):
    with (
        pytest.raises(OutsideError, match=r"the answer is not one of GitHub's"),
        errors.translate_errors("It could not be read"),
    ):
        raise error


@pytest.mark.parametrize(
    "event",
    [
        '{"pull_request": 1}',
        '{"pull_request": {"head": []}}',
        '{"workflow_run": {"id": "x"}}',
        '{"sender": "x"}',
        "{",
        deep("["),
    ],
)
def test_an_event_that_is_none_is_wrong_input(tmp_path, event):
    file = tmp_path / "event.json"
    file.write_text(event)
    with pytest.raises(InputError, match="GITHUB_EVENT_PATH"):
        read_run({"GITHUB_EVENT_PATH": str(file), "GITHUB_EVENT_NAME": "workflow_run"}, "a/b")


# Growth: twenty times the text may take twenty times the time; what is quadratic would take hours here.


@pytest.mark.slow
def test_a_dockerfile_of_continued_lines_is_no_hang():
    (instruction,) = dockerfile_parser.parse_instructions("RUN a " + "\\\n" * 500_000 + "b")
    assert instruction.keyword == "RUN"


def test_what_ratify_says_is_no_hang():
    assert denials._REQUEST.sub("", "a " * 500_000).startswith("a a")
    assert denials._REQUEST.sub("", 'x Get "https://a": Head "https://b": refused') == "refused"


def test_a_stream_can_be_buffered():
    assert io.BufferedReader(response_limits._Stream(io.BytesIO(b"x"), Socket())).readable()
