"""The lab's pure parts: changelogs, the tracker's files, mirrors, pid files, configurations, names."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import Exit, InputError, OutsideError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_lab import buildkit_server, daemons, voting
from s3c_lab.__main__ import main as lab_command
from s3c_lab.advisories import Advisory, Installed, entries, fixes, read_installed, titles, write_tracker
from s3c_lab.demo import without_html
from s3c_lab.lab import Lab, folder_of, names, read
from s3c_lab.machine import Machine, default_mirror, read_mirrors, with_system_path
from tests.support import ROOT

CHANGELOG = """\
demo (1.3-1) bookworm-security; urgency=high

  * New upstream version 1.3.
  * Fixes CVE-2026-0001, CVE-2026-0002.

 -- Somebody <somebody@example.org>  Fri, 13 Nov 2026 12:12:04 +0100

demo (1.2-1) bookworm-security; urgency=medium

  [ Somebody ]
  * New upstream version 1.2.

    + Fix an overflow when
      reading names (Somebody Else)

      This could be used to read memory.

      The project thanks Who Found It. (CVE-2026-0003)

    - CVE-2026-0004: refuse bad lengths (Closes: #123456)
  * CVE-2026-0002: an early and partial fix of the parser

 -- Somebody <somebody@example.org>  Fri, 06 Nov 2026 12:12:04 +0100

demo (1.1-1) bookworm; urgency=low

  * CVE-2020-9999: what the image has already

 -- Somebody <somebody@example.org>  Fri, 06 Nov 2020 12:12:04 +0100
"""


def machine(folder: Path) -> Machine:
    return Machine(runner=Runner(environment={"PATH": str(folder)}), progress=Silent(), cache=folder)


def advisories() -> dict[str, Advisory]:
    installed = Installed(package="libdemo", source="demo", version="1.1-1")
    return {advisory.cve: advisory for advisory in fixes(CHANGELOG, installed, lambda first, second: first > second)}


def test_entries_are_read_newest_first() -> None:
    assert [(entry.version, entry.urgency) for entry in entries(CHANGELOG)] == [
        ("1.3-1", "high"),
        ("1.2-1", "medium"),
        ("1.1-1", "low"),
    ]


def test_what_is_installed_already_is_no_finding() -> None:
    assert set(advisories()) == {"CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003", "CVE-2026-0004"}


def test_the_first_version_that_names_a_cve_fixes_it() -> None:
    assert advisories()["CVE-2026-0001"] == Advisory(
        cve="CVE-2026-0001",
        source="demo",
        version="1.3-1",
        newest="1.3-1",
        urgency="high",
        title="demo: fixed in 1.3-1",
    )
    early = advisories()["CVE-2026-0002"]
    assert (early.version, early.newest, early.urgency) == ("1.2-1", "1.3-1", "medium")


@pytest.mark.parametrize(
    ("cve", "title"),
    [
        ("CVE-2026-0002", "demo: an early and partial fix of the parser"),
        ("CVE-2026-0003", "demo: Fix an overflow when reading names"),
        ("CVE-2026-0004", "demo: refuse bad lengths"),
    ],
)
def test_titles_are_the_changelogs_words(cve: str, title: str) -> None:
    assert advisories()[cve].title == title


def test_an_item_without_words_takes_those_above_it() -> None:
    lines = ["  * Several overflows in the reader:", "    - CVE-2026-0001", "    - CVE-2026-0002 (Closes: #1)"]
    assert titles(lines) == dict.fromkeys(("CVE-2026-0001", "CVE-2026-0002"), "Several overflows in the reader")


def test_a_long_title_is_cut() -> None:
    (title,) = titles(["  * CVE-2026-0001: " + "word " * 100]).values()
    assert len(title) <= 160
    assert title.endswith("…")


def test_a_changelog_that_is_none_has_no_entries() -> None:
    assert list(entries("\x00\xff not a changelog CVE-2026-0001\n")) == []


def test_installed_packages() -> None:
    assert read_installed("libdemo\tdemo\t1:1.1-1\n") == {
        "libdemo": Installed(package="libdemo", source="demo", version="1:1.1-1")
    }
    with pytest.raises(ValueError, match="unpack"):
        read_installed("libdemo demo 1.1-1\n")


def test_the_tracker_has_the_severity_before_the_release(tmp_path: Path) -> None:
    write_tracker(advisories().values(), tmp_path, codename="bookworm", release="12")
    root = tmp_path / "vuln-list-debian" / "tracker"
    assert json.loads((root / "distributions.json").read_text())["bookworm"]["major-version"] == "12"
    cve = json.loads((root / "CVE" / "CVE-2026-0003.json").read_text())
    assert cve["Header"]["Description"] == "demo: Fix an overflow when reading names"
    general, release = cve["Annotations"]
    assert (general["Severity"], general["Version"]) == ("medium", "1.2-1")
    assert (release["Release"], release["Version"], "Severity" in release) == ("bookworm", "1.2-1", False)
    assert (root / "DSA").is_dir()


def test_the_tracker_has_the_version_the_archive_has(tmp_path: Path) -> None:
    write_tracker(advisories().values(), tmp_path, codename="bookworm", release="12")
    for kind in ("source", "updates-source"):
        path = tmp_path / "vuln-list-debian" / "tracker" / kind / "bookworm" / "main" / "d" / "demo.json"
        assert json.loads(path.read_text()) == {"Package": ["demo"], "Version": ["1.3-1"]}


def test_one_cve_in_two_packages_is_one_file(tmp_path: Path) -> None:
    same = [
        Advisory(cve="CVE-2026-1", source=source, version="2", newest="2", urgency="high", title=f"{source}: x")
        for source in ("b", "a")
    ]
    write_tracker(same, tmp_path, codename="bookworm", release="12")
    (file,) = (tmp_path / "vuln-list-debian" / "tracker" / "CVE").iterdir()
    assert [annotation["Package"] for annotation in json.loads(file.read_text())["Annotations"]] == ["a", "a", "b", "b"]


def test_the_machines_mirror_is_taken() -> None:
    targets = [
        "http://mirror.example/debian/ bookworm main",
        "http://mirror.example/debian/ bookworm-updates main",
        "http://security.example/ bookworm-security main",
        "http://other.example/ bookworm main",
        "file:/local bookworm main",
    ]
    assert read_mirrors(targets, "bookworm") == ("http://mirror.example/debian", "http://security.example")


def test_a_machine_of_another_distribution_takes_debians_own() -> None:
    targets = ["http://mirror.example/ubuntu/ noble main", "file:/local bookworm main", "rubbish"]
    assert read_mirrors(targets, "bookworm") == ("", "")


def test_debootstrap_knows_an_archive(tmp_path: Path) -> None:
    script = tmp_path / "debootstrap"
    script.write_text('VERSION="1"\nDEF_MIRROR="http://mirror.example/debian/"\nDEF_HTTPS_MIRROR="https://x.example"\n')
    assert default_mirror(script) == "http://mirror.example/debian"
    assert default_mirror(tmp_path / "absent") == ""


def test_the_system_folders_are_added_behind_the_path() -> None:
    assert with_system_path({"PATH": "/mine:/sbin", "X": "1"}) == {
        "PATH": "/mine:/sbin:/usr/local/sbin:/usr/sbin",
        "X": "1",
    }


def test_neither_root_nor_sudo_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OutsideError, match=r"needs root.*sudo is not installed.*Run it as root"):
        machine(tmp_path).require_root()
    assert machine(tmp_path).as_root(["kill", "1"])[:2] == ["sudo", "-n"]


def test_missing_programs_without_apt_are_named(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match=r"debootstrap must be installed, and there is no apt-get"):
        machine(tmp_path).install({"debootstrap": "debootstrap"})


def test_what_is_there_is_not_installed(tmp_path: Path) -> None:
    program = tmp_path / "debootstrap"
    program.touch(mode=0o755)
    assert machine(tmp_path).install({"debootstrap": "debootstrap"}) == ()


STAT = "4242 (a ) name (b) S 1 4242 4242 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 1000 200 18446744073709551615"


def test_a_process_is_known_by_its_start() -> None:
    assert daemons.identity(STAT) == (4242, 987654, "S")


def pid_file(folder: Path, stat: str, boot: str | None = None) -> Path:
    file = folder / "x.pid"
    file.write_text(stat.rstrip("\n") + "\n" + (boot or Path("/proc/sys/kernel/random/boot_id").read_text()))
    return file


def test_this_process_runs(tmp_path: Path) -> None:
    file = pid_file(tmp_path, Path("/proc/self/stat").read_text())
    assert daemons.running(file) == os.getpid()


def test_another_process_of_the_same_number_is_not_taken_for_it(tmp_path: Path) -> None:
    before, _, after = Path("/proc/self/stat").read_text().rpartition(")")
    fields = after.split()
    fields[19] = str(int(fields[19]) - 1)
    assert daemons.running(pid_file(tmp_path, f"{before}) {' '.join(fields)}")) is None


def test_a_process_before_the_last_boot_is_not_taken_for_it(tmp_path: Path) -> None:
    assert daemons.running(pid_file(tmp_path, Path("/proc/self/stat").read_text(), "another boot\n")) is None


@pytest.mark.parametrize("text", ["", "rubbish", "12\n", "1 (x)\n\n", "\0\n\0"])
def test_a_broken_pid_file_is_nobodys(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pid").write_text(text)
    assert daemons.running(tmp_path / "x.pid") is None
    assert daemons.running(tmp_path / "missing.pid") is None


def test_buildkits_configuration_names_the_registry() -> None:
    import tomllib

    read_back = tomllib.loads(buildkit_server.configuration("localhost:5001"))
    assert read_back["registry"] == {
        "localhost:5001": {"http": True},
        "docker.io": {"mirrors": ["localhost:5001"]},
        "ghcr.io": {"mirrors": ["localhost:5001"]},
    }


def test_a_path_too_long_for_a_socket_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with pytest.raises(InputError, match=r"S3C_CACHE: .*too long"):
        buildkit_server.start(folder, "localhost:5000", machine(tmp_path))


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-x", "x" * 41, "a\nb"])
def test_names_that_are_no_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name:"):
        folder_of(name, machine(tmp_path))


def test_labs_are_listed(tmp_path: Path) -> None:
    assert names(machine(tmp_path)) == []
    for name in ("two", "one"):
        folder_of(name, machine(tmp_path)).mkdir(parents=True)
    (tmp_path / "lab" / "labs" / ".one.lock").touch()
    assert names(machine(tmp_path)) == ["one", "two"]


def a_lab(folder: Path) -> Lab:
    return Lab(
        name="x",
        folder=str(folder),
        registry="localhost:5001",
        buildkit="unix:///x.sock",
        images=("localhost:5001/a:1", "localhost:5001/b:2"),
        trivy_cache="/t",
        advisories="built",
        key="/k",
        certificate="/c",
    )


def test_the_state_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text(json.dumps(asdict(a_lab(tmp_path))))
    assert read(tmp_path) == a_lab(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "x", "images": 1}', "null"])
def test_a_broken_state_is_no_lab(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    assert read(tmp_path) is None


def test_the_flags_are_inputs_of_the_chain(tmp_path: Path) -> None:
    from s3c_actions.options.command import load

    known = {f"--{declared.name}" for declared in load("chain").inputs}
    assert {flag for flag in a_lab(tmp_path).flags() if flag.startswith("--")} <= known


def test_a_shell_gets_the_same_as_the_flags(tmp_path: Path) -> None:
    from s3c_actions.options.command import load

    lab = replace(a_lab(tmp_path), kubeconfig="/kubeconfig")
    known = {declared.variable for declared in load("chain").inputs}
    variables = lab.variables()
    assert {name for name in variables if name.startswith("S3C_")} <= known
    assert set(lab.flags()) - set(variables.values()) == {
        "--buildkit-addr",
        "--trivy-cache-dir",
        "--offline",
        "--key",
        "--certificate",
    }
    assert variables["KUBECONFIG"] == "/kubeconfig"
    assert "KUBECONFIG" not in a_lab(tmp_path).variables(), "without a cluster, the user's own stays"


def test_a_shell_takes_the_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("S3C_CACHE", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda *_handler: None)
    folder = folder_of("x", machine(tmp_path))
    folder.mkdir(parents=True)
    (folder / "lab.json").write_text(json.dumps(asdict(replace(a_lab(folder), key="/a b/k"))))
    assert lab_command(["env", "--name", "x"]) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("export ") for line in lines)
    assert "export LAB_KEY='/a b/k'" in lines
    assert lines[0] == f'export PATH={ROOT / "bin"}:"$PATH"'


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["up", "--port", "65536"], "'65536' is not a port: give 0 to 65535"),
        (["up", "--port", "-1"], "'-1' is not a port"),
        (["up", "--port", "http"], "'http' is not a port"),
        (["up", "--kubeconfig", "missing"], "kubeconfig: missing is not a file."),
        (["up", "--name", "Bad Name"], "name: 'Bad Name' cannot be a lab's name."),
        (["frob"], "invalid choice: 'frob'"),
    ],
)
def test_a_mistake_is_wrong_input_and_starts_nothing(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("S3C_CACHE", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda *_handler: None)
    try:
        code = lab_command(argv)
    except SystemExit as ended:  # argparse's own way
        code = int(str(ended.code))
    assert code == Exit.WRONG_INPUT
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_shell_gets_no_lab_that_does_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("S3C_CACHE", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda *_handler: None)
    assert lab_command(["env", "--name", "two"]) == Exit.WRONG_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Run `s3c-lab up --name two`." in printed.err


def test_the_summary_is_shown_without_html_and_diagram() -> None:
    diagram, folded = "```mermaid\nflowchart LR\n  a --> b\n```\n", "<details><summary>Left</summary>"
    summary = f"# Done<br>now\n\n{diagram}{folded}\n\n| a | b |\n\n</details>\n"
    assert without_html(summary) == "# Done now\n\nLeft\n\n| a | b |\n"


def test_what_is_folded_and_long_is_only_named() -> None:
    rows = "| a | b |\n" * 30
    summary = f"<details><summary>Fixed (30)</summary>\n\n{rows}\n</details>\n\n"
    summary += "<details><summary>Left</summary>\nx\n</details>"
    outer = f"<details><summary>app</summary>\n\n{summary}\n</details>"
    assert without_html(outer) == "app\n\nFixed (30): in summary.md\n\nLeft\n\nx\n"


def test_the_example_is_deployed_from_this_labs_registry() -> None:
    text = "a: localhost:5000/x\n        - image: localhost:5000/voting-app:1.4.0\n          image: localhost:5000/db\n"
    rendered = voting.rendered(text, "localhost:40123")
    assert rendered == text.replace("image: localhost:5000/", "image: localhost:40123/")
    assert (voting.MANIFESTS / "overlays" / "lab" / "kustomization.yaml").is_file()


def test_the_demo_shows_how_each_image_ended(tmp_path: Path) -> None:
    step = {"reference": f"r/app@sha256:{'a' * 64}", "signature_digest": f"sha256:{'c' * 64}", "verdict": "admitted"}
    image = {"image": "r/app:1", "scan": step, "patch": None, "sign": step, "admission": step}
    (tmp_path / "result.json").write_text(json.dumps({"images": [image, {**image, "admission": None}]}))
    whole, without = voting.paths(tmp_path / "result.json")
    assert whole == f"r/app:1: scan {'a' * 12} → sign {'c' * 12} → admitted {'a' * 12}"
    assert without == f"r/app:1: scan {'a' * 12} → sign {'c' * 12}"
