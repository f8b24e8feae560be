"""Which libraries are missing in an unpacked image, as ld.so would find out."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3c_actions.core.shared_libraries import LinkedFile, MissingLibrary, missing_libraries, read_linking
from tests.support.elf import AARCH64, X86_64, elf

PROGRAM = elf(("libpq.so.5", "libc.so.6"), interpreter="/lib64/ld.so.2")


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def complete(root: Path) -> Path:
    libraries = {"usr/lib/x86_64-linux-gnu/libpq.so.5": elf(("libc.so.6",)), "lib/libc.so.6": elf()}
    configuration = {"etc/ld.so.conf.d/x86.conf": b"# multiarch\n/usr/lib/x86_64-linux-gnu\n"}
    return put(root, {"usr/bin/psql": PROGRAM, "lib64/ld.so.2": elf(), **libraries, **configuration})


@pytest.mark.parametrize("wide", [True, False])
def test_reads_what_a_file_states(wide: bool) -> None:
    content = elf(("liba.so.1", "libb.so"), search="$ORIGIN/../lib:/opt", interpreter="/lib/ld.so", wide=wide)
    expected = LinkedFile(
        kind=(2 if wide else 1, 1, X86_64),
        needed=("liba.so.1", "libb.so"),
        search=("$ORIGIN/../lib", "/opt"),
        interpreter="/lib/ld.so",
    )
    assert read_linking(io.BytesIO(content)) == expected


def test_reads_the_program_that_runs_this() -> None:
    with Path(sys.executable).resolve().open("rb") as file:
        linking = read_linking(file)
    assert linking is not None and linking.interpreter.startswith("/lib")
    assert any(name.startswith(("libc.", "libc.musl")) for name in linking.needed)


def test_nothing_is_missing_in_a_complete_image(tmp_path: Path) -> None:
    assert missing_libraries(complete(tmp_path)) == frozenset()


@pytest.mark.parametrize(
    ("gone", "names"),
    [
        ("usr/lib/x86_64-linux-gnu/libpq.so.5", {("libpq.so.5", "/usr/bin/psql")}),
        ("lib64/ld.so.2", {("/lib64/ld.so.2", "/usr/bin/psql")}),
        ("lib/libc.so.6", {("libc.so.6", "/usr/bin/psql"), ("libc.so.6", "/usr/lib/x86_64-linux-gnu/libpq.so.5")}),
        ("etc/ld.so.conf.d/x86.conf", {("libpq.so.5", "/usr/bin/psql")}),
    ],
)
def test_what_was_removed_is_missing(tmp_path: Path, gone: str, names: set[tuple[str, str]]) -> None:
    (complete(tmp_path) / gone).unlink()
    assert missing_libraries(tmp_path) == {MissingLibrary(*pair) for pair in names}


def test_a_library_of_another_machine_or_an_empty_file_is_none(tmp_path: Path) -> None:
    root = complete(tmp_path)
    put(root, {"lib/libc.so.6": elf(machine=AARCH64), "usr/lib/x86_64-linux-gnu/libpq.so.5": b""})
    assert {missing.library for missing in missing_libraries(root)} == {"libc.so.6", "libpq.so.5"}


def test_a_dangling_link_is_missing_and_a_link_inside_is_not(tmp_path: Path) -> None:
    root = complete(tmp_path)
    library = root / "usr/lib/x86_64-linux-gnu/libpq.so.5"
    library.rename(library.with_name("libpq.so.5.15"))
    library.symlink_to("libpq.so.5.15")
    assert missing_libraries(root) == frozenset()
    library.with_name("libpq.so.5.15").unlink()
    assert {missing.library for missing in missing_libraries(root)} == {"libpq.so.5"}


@pytest.mark.parametrize(
    ("search", "environment"), [("$ORIGIN/../private", ""), ("${ORIGIN}/../private", ""), ("", "/opt/private")]
)
def test_other_folders_count(tmp_path: Path, search: str, environment: str) -> None:
    put(tmp_path, {"opt/bin/app": elf(("libx.so",), search=search), "opt/private/libx.so": elf()})
    assert missing_libraries(tmp_path, environment) == frozenset()
    assert missing_libraries(tmp_path) == (frozenset() if search else {MissingLibrary("libx.so", "/opt/bin/app")})


@settings(max_examples=300)
@given(st.data())
def test_damaged_files_are_read_without_an_error(data: st.DataObject) -> None:
    content = bytearray(PROGRAM)
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    linking = read_linking(io.BytesIO(bytes(content[:cut])))
    assert linking is None or isinstance(linking.needed, tuple)
