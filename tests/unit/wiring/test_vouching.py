"""Whom the inputs of patch trust for an earlier patch, and that nothing is signed that nobody has vouched for."""

import pytest

from s3c_actions.commands import patch
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.options import patch as inputs
from s3c_actions.options.declare import read
from s3c_actions.programs.notation.home import NotationHome
from s3c_actions.steps.patch import PatchTools
from s3c_actions.wiring import vouching
from s3c_lab.certificates import make, make_authority
from tests.support.contexts import create_context
from tests.unit.wiring.test_signing import IMAGE

SIGNED = "localhost:5000/app@sha256:" + "b" * 64
OTHER = "localhost:5000/app@sha256:" + "c" * 64


def values(**given):
    flags = {"image": IMAGE, **{name.replace("_", "-"): str(text) for name, text in given.items()}}
    return read(inputs.PatchInputs, flags, {}, lambda _notice: None)


class Notation:
    """Accepts one reference; keeps the trust policy that it was asked by."""

    def __init__(self):
        self.policies = []

    def verify(self, home, reference, metadata=None):
        self.policies.append((home.folder / "trustpolicy.json").read_text())
        if reference == "fails":
            raise OutsideError("The registry failed.")
        if reference != SIGNED:
            raise Refused("No signature is accepted.")


@pytest.fixture
def notation(monkeypatch):
    program = Notation()
    monkeypatch.setattr(vouching, "create_notation", lambda *_: program)
    return program


def vouched(tmp_path, **given):
    with patch._open_vouch_check(values(**given), create_context(tmp_path)) as vouch_check:
        return vouch_check and [vouch_check(image) for image in (SIGNED, OTHER)]


def test_without_anybody_to_trust_the_content_decides(tmp_path):
    assert vouched(tmp_path) is None
    assert vouched(tmp_path, reuse_patched="content") is None


def test_never_is_never(tmp_path):
    assert vouched(tmp_path, reuse_patched="never") == [False, False]
    _, path = make("release").write(tmp_path, "release")
    assert vouched(tmp_path, certificate=path, reuse_patched="never") == [False, False]


@pytest.mark.parametrize("how", ["certificate", "trust_store"])
@pytest.mark.parametrize("reuse", ["", "signed"])
def test_a_certificate_is_enough_and_no_key_is_needed(tmp_path, notation, how, reuse):
    _, path = make("release").write(tmp_path, "release")
    given = {"reuse_patched": reuse} if reuse else {}
    with patch._open_vouch_check(values(**{how: path}, **given), create_context(tmp_path)) as vouch_check:
        assert vouch_check is not None
        assert [vouch_check(SIGNED), vouch_check(OTHER)] == [True, False]
        with pytest.raises(OutsideError):
            vouch_check("fails")
    assert "strict" in notation.policies[0]
    assert ("CN=release" in notation.policies[0]) is (how == "certificate")


def test_time_stamps_may_be_trusted_beside_a_certificate(tmp_path, notation):
    """Its signatures then outlive it; without the certificate they are nobody's."""
    _, path = make("release").write(tmp_path, "release")
    root = tmp_path / "tsa.crt"
    root.write_bytes(make_authority("tsa").chain_pem())
    stamps = {"trusted_timestamp_root": root, "verify_timestamp": "afterCertExpiry"}
    assert vouched(tmp_path, certificate=path, **stamps) == [True, False]
    assert '"tsa:s3c"' in notation.policies[0]
    assert '"verifyTimestamp": "afterCertExpiry"' in notation.policies[0]
    with pytest.raises(InputError) as caught:
        vouched(tmp_path, **stamps)
    assert caught.value.field == "trust-store"
    with pytest.raises(InputError) as caught:
        vouched(tmp_path, certificate=path, verify_timestamp="afterCertExpiry")
    assert caught.value.field == "trusted-timestamp-root"


def test_a_certificate_of_an_authority_is_pinned_to_its_subject(tmp_path, notation):
    authority = make_authority("root")
    _, path = make("release", issuer=authority).write(tmp_path, "release")
    assert vouched(tmp_path, certificate=path) == [True, False]
    assert "CN=release" in notation.policies[0]


def test_what_signs_takes_what_its_own_key_has_signed(tmp_path):
    vouch_check = vouching.vouch_by_policy(Notation(), NotationHome(folder=tmp_path))  # type: ignore[arg-type]
    (tmp_path / "trustpolicy.json").write_text("{}")
    assert [vouch_check(SIGNED), vouch_check(OTHER)] == [True, False]


def test_patch_signs_nothing_and_takes_no_key():
    signing = {"attach", "key", "key-pem", "pkcs12", "key-password", "key-name", "plugin", "key-id", "vault-plugin"}
    assert not {declared.name for declared in inputs.PatchInputs.inputs()} & signing
    assert not [
        declared.name
        for declared in inputs.PatchInputs.inputs()
        if declared.secret and declared.name != "registry-password"
    ]


def test_signed_by_nobody_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match=r"^reuse-patched: it is `signed`, and nothing says"):
        vouched(tmp_path, reuse_patched="signed")
    with pytest.raises(InputError, match=r"^trust-store"):
        vouched(tmp_path, trusted_identity="C=US, ST=WA, O=x")


def test_nobody_can_forget_to_say_who_vouches():
    """Neither the step nor what binds it has a default for it."""
    with pytest.raises(TypeError, match="vouched"):
        PatchTools(  # type: ignore[call-arg]
            registry=None,  # type: ignore[arg-type]
            writer=None,  # type: ignore[arg-type]
            scan=None,  # type: ignore[arg-type]
            rescan=None,  # type: ignore[arg-type]
            patch=None,  # type: ignore[arg-type]
            builds=None,  # type: ignore[arg-type]
            host="amd64",
            progress=None,  # type: ignore[arg-type]
            now=None,  # type: ignore[arg-type]
        )
