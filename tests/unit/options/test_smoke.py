"""What the inputs of `smoke` take."""

import pytest

from s3c_actions.options import smoke


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (smoke.command_line, "pg_isready --quiet", ("pg_isready", "--quiet")),
        (smoke.command_line, "sh -c 'a | b'", ("sh", "-c", "a | b")),
        (smoke.port, "8080", 8080),
        (smoke.companions, "db=r.example/db:1\ncache = r.example/c", {"db": "r.example/db:1", "cache": "r.example/c"}),
        (smoke.variables, "A=1\nB=x=y, z", ("A=1", "B=x=y, z")),
        (smoke.folders, "/var/cache/nginx\n/data\n/data", ("/var/cache/nginx", "/data")),
        (smoke.capabilities, "CHOWN, cap_setuid", ("CHOWN", "SETUID")),
    ],
)  # fmt: skip
def test_takes(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (smoke.command_line, "sh -c 'a"),
        (smoke.command_line, " "),
        (smoke.port, "0"),
        (smoke.port, "65536"),
        (smoke.port, "http"),
        (smoke.companions, "db"),
        (smoke.companions, "DB=x"),
        (smoke.companions, "db="),
        (smoke.companions, "a b=x"),
        (smoke.companions, "db=x\ndb=y"),
        (smoke.variables, "A"),
        (smoke.variables, "=1"),
        (smoke.folders, "data"),
        (smoke.folders, "/"),
        (smoke.folders, "/a/../../b"),
        (smoke.capabilities, "SYS_ADMIN"),
        (smoke.capabilities, "ALL"),
    ],
)
def test_rejects(parse, text):
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_it_is_off_unless_asked_for_and_required_as_a_command():
    assert smoke.SmokeOptions.smoke.default == "off"
    assert smoke.SmokeInputs.smoke.default == "required" and "off" not in smoke.SmokeInputs.smoke.choices
