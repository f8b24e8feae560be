"""Where things are kept, what PATH may lead to, and what programs see."""

import os
from pathlib import Path

import pytest

from s3c_actions.core import folders
from s3c_actions.core.folders import (
    cache_folder,
    find_workspace,
    make_private,
    program_environment,
    search_path,
    shared_reason,
    state_folder,
)
from s3c_actions.core.records import Records


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("ws/.git", "ws/bin", "ws/sub", "out/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "out" / "in").symlink_to(tmp_path / "ws" / "bin")
    (tmp_path / "ws" / "out").symlink_to(tmp_path / "out" / "bin")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/usr/bin:/bin", "/usr/bin:/bin"),
        ("/usr/bin:", "/usr/bin"),
        (":/usr/bin", "/usr/bin"),
        ("/usr/bin::/bin", "/usr/bin:/bin"),
        (".:/usr/bin:bin:./bin:../bin", "/usr/bin"),
        ("{0}/ws/bin:/usr/bin", "/usr/bin"),
        ("{0}/ws:{0}/ws/:{0}/ws/./bin:/usr/bin", "/usr/bin"),
        ("{0}/out/../ws/bin:/usr/bin", "/usr/bin"),
        ("{0}/out/in:/usr/bin", "/usr/bin"),
        ("{0}/ws/out:/usr/bin", "/usr/bin"),
        ("{0}/out/bin:/usr/bin", "{0}/out/bin:/usr/bin"),
        ("", "/usr/bin:/bin"),
        (":", "/usr/bin:/bin"),
    ],
)
def test_path_loses_what_the_workspace_decides(checkout: Path, path: str, kept: str) -> None:
    environment = {"PATH": path.format(checkout), "HOME": "/root"}
    for top, cwd in (({}, checkout / "ws" / "sub"), ({"GITHUB_WORKSPACE": str(checkout / "ws")}, Path("/"))):
        assert search_path({**environment, **top}, cwd) == kept.format(checkout)


def test_a_workspace_is_not_the_disk_or_the_home_folder(tmp_path: Path) -> None:
    assert find_workspace({"HOME": str(tmp_path)}, tmp_path) is None
    assert find_workspace({"HOME": str(tmp_path / "home")}, tmp_path) is None
    assert find_workspace({}, Path("/")) is None
    assert find_workspace({}, None) is None
    assert find_workspace({"HOME": "/root"}, tmp_path) == tmp_path
    assert search_path({"PATH": "/usr/bin"}, Path("/")) == "/usr/bin"


def test_programs_see_no_secret_of_any_command() -> None:
    secrets = {
        "S3C_REGISTRY_PASSWORD",
        "S3C_SOURCE_PASSWORD",
        "S3C_GITHUB_TOKEN",
        "S3C_KEY_PEM",
        "S3C_KEY_PASSWORD",
        "INPUT_KEY_PEM",
        "INPUT_KEY-PEM",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    }
    plain = {"HOME": "/root", "S3C_KEY": "signing.key", "TRIVY_CACHE_DIR": "/c", "AZURE_CLIENT_ID": "x"}
    assert program_environment({**dict.fromkeys(secrets, "x"), **plain}, None) == plain


def test_every_declared_secret_is_known() -> None:
    import importlib
    import pkgutil

    from s3c_actions import options
    from s3c_actions.options.command import COMMANDS, load
    from s3c_actions.options.declare import Group

    declared = set()
    for module in pkgutil.iter_modules(options.__path__):
        for group in vars(importlib.import_module(f"s3c_actions.options.{module.name}")).values():
            if isinstance(group, type) and issubclass(group, Group):
                declared |= {
                    name for option in group.inputs() if option.secret for name in (option.name, *option.aliases)
                }
    declared |= {other.name for name in COMMANDS for other in load(name).others if other.secret}
    assert declared == set(folders.SECRET_INPUTS)


def test_a_cache_that_others_may_write_is_replaced(tmp_path: Path) -> None:
    named = tmp_path / "cache"
    environment = {"S3C_CACHE": str(named), "S3C_STATE": str(tmp_path / "state")}
    assert cache_folder(environment) == (named, "")
    named.mkdir(mode=0o755)
    assert cache_folder(environment) == (named, "")
    for mode in (0o777, 0o775, 0o1777, 0o702):
        named.chmod(mode)
        path, notice = cache_folder(environment)
        assert path == tmp_path / "state" / "cache"
        assert str(named) in notice
        assert f"{mode:04o}" in notice


def test_a_cache_in_a_folder_that_others_may_write_is_replaced_unless_it_is_sticky(tmp_path: Path) -> None:
    named = tmp_path / "all" / "cache"
    named.mkdir(parents=True)
    named.parent.chmod(0o777)
    environment = {"S3C_CACHE": str(named), "S3C_STATE": str(tmp_path / "state")}
    assert cache_folder(environment).path != named
    named.parent.chmod(0o1777)
    assert cache_folder(environment).path == named


def test_a_cache_of_another_user_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "cache"
    named.mkdir()
    environment = {"S3C_CACHE": str(named), "S3C_STATE": str(tmp_path / "state")}
    owner = named.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        assert cache_folder(environment).path == named, "root's is believed"
        os.chown(named, 12345, -1)
    assert "belongs to another user" in cache_folder(environment).notice
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    sudo = {**environment, "SUDO_UID": str(named.stat().st_uid)}
    assert cache_folder(environment).path != named
    assert cache_folder(sudo).path == named, "who became root by sudo is not another"


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_a_relative_folder_of_the_user_is_none(name: str, own_records: Path) -> None:
    # The scripts leave the working folder, so that it would be two folders.
    assert cache_folder({name: "relative"}).path == own_records / ".cache" / "s3c"


def test_the_state_folder_is_private_and_follows_the_account(tmp_path: Path, own_records: Path) -> None:
    assert state_folder({"HOME": "/elsewhere"}) == own_records / ".local" / "state" / "s3c"
    assert state_folder({"XDG_STATE_HOME": "/x"}) == Path("/x/s3c")
    assert state_folder({"XDG_STATE_HOME": "relative"}) == own_records / ".local" / "state" / "s3c"
    assert state_folder({"S3C_STATE": str(tmp_path / "s"), "XDG_STATE_HOME": "/x"}) == tmp_path / "s"
    folder = make_private(tmp_path / "s")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o770)
    with pytest.raises(folders.UnsafeFolder, match="is not private: other users may write to it"):
        make_private(folder)
    assert shared_reason(tmp_path / "missing") == ""


def test_a_tree_is_known_until_anything_in_it_changes(tmp_path: Path) -> None:
    records = Records(tmp_path / "state")
    tree = tmp_path / "tree"
    (tree / "lib").mkdir(parents=True)
    module = tree / "lib" / "a.py"
    module.write_text("x = 1")
    (tree / "link").symlink_to("lib")
    assert not records.has_tree(tree)
    records.add_tree(tree)
    assert records.has_tree(tree)

    before = module.stat()
    module.write_text("x = 2")
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not records.has_tree(tree), "same size and time, another content"
    module.write_text("x = 1")
    assert records.has_tree(tree), "touched, and the same"

    for plant in (tree / "lib" / "x.pth", tree / "lib" / "__pycache__" / "a.cpython-311.pyc"):
        plant.parent.mkdir(exist_ok=True)
        plant.write_text("import os")
        assert not records.has_tree(tree), plant
        plant.unlink()
    os.mkfifo(tree / "pipe")
    assert not records.has_tree(tree)
    (tree / "pipe").unlink()
    (tree / "link").unlink()
    (tree / "link").symlink_to("/")
    assert not records.has_tree(tree)
    (tree / "link").unlink()
    assert not records.has_tree(tree), "a file less"


def test_records_of_one_folder_are_not_those_of_another(tmp_path: Path) -> None:
    records = Records(tmp_path / "state")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    records.add_tree(tmp_path / "a")
    assert not records.has_tree(tmp_path / "b")
    (tmp_path / "c").symlink_to("a")
    assert records.has_tree(tmp_path / "c"), "a link to it is the same folder"


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    key = Records(tmp_path / "state").key()
    assert len(key) == 32
    assert Records(tmp_path / "state").key() == key
    assert (tmp_path / "state" / "key").stat().st_mode & 0o777 == 0o600
