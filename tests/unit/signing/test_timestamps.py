"""Whose time-stamps may be trusted, and what a trust policy says of them."""

from __future__ import annotations

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.signing import timestamps
from s3c_lab.certificates import TIME_STAMPING, make, make_authority, pem


def test_only_a_root_is_trusted() -> None:
    root = make_authority("tsa root")
    signer = make("tsa", issuer=root, extended=(TIME_STAMPING,), extended_critical=True)
    other = make_authority("other root")
    both = pem(root.certificate) + pem(other.certificate)
    assert timestamps.read_roots(both, "field") == (root.certificate, other.certificate)
    # Neither the certificate that signs time-stamps, nor a self-signed one that is no authority.
    for wrong in (pem(signer.certificate), pem(root.certificate) + pem(signer.certificate), make("x").chain_pem()):
        with pytest.raises(InputError, match="not the root certificate") as error:
            timestamps.read_roots(wrong, "trusted-timestamp-root")
        assert (error.value.field, error.value.exit_code) == ("trusted-timestamp-root", 2)
    with pytest.raises(InputError):
        timestamps.read_roots(b"", "trusted-timestamp-root")


@pytest.mark.parametrize("check", timestamps.CHECKS)
def test_when_a_time_stamp_is_needed_is_written_only_where_one_is_trusted(check: str) -> None:
    assert timestamps.signature_verification("strict", check, stamped=False) == {"level": "strict"}
    assert timestamps.signature_verification("strict", check, stamped=True) == {
        "level": "strict",
        "verifyTimestamp": check,
    }
