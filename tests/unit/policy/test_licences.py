"""Identifiers of licences: those that SPDX lists, and what others probably mean."""

from __future__ import annotations

import pytest

from s3c_actions.policy.licences import identifier_fault, unlisted_name


@pytest.mark.parametrize(
    "identifier",
    [
        *("AGPL-3.0-only", "agpl-3.0-ONLY", "AGPL-3.0", "AGPL-3.0+", "SSPL-1.0", "MIT", "eCos-2.0"),
        *("GPL-2.0-with-classpath-exception", "Classpath-exception-2.0", "LicenseRef-public-domain"),
    ],
)
def test_what_spdx_lists_may_be_refused(identifier: str) -> None:
    assert identifier_fault(identifier) == ""


@pytest.mark.parametrize(
    ("identifier", "meant"),
    [
        ("AGPLv3", "AGPL-3.0-only"),
        ("gpl-3", "GPL-3.0-only"),
        ("GPLv2+", "GPL-2.0-or-later"),
        ("Apache2", "Apache-2.0"),
        ("MPL2", "MPL-2.0"),
        ("GPL", ""),
        ("public-domain", ""),
        ("NOASSERTION", ""),
        ("OR", ""),
        ("LicenseRef-", ""),
    ],
)
def test_what_it_does_not_list_would_refuse_nothing(identifier: str, meant: str) -> None:
    fault = identifier_fault(identifier)
    assert fault.startswith("is no identifier in SPDX's list")
    assert (f"did you mean {meant}?" in fault) if meant else "did you mean" not in fault


def test_the_name_of_what_is_not_listed() -> None:
    assert (unlisted_name("LicenseRef-Public-Domain"), unlisted_name("MIT")) == ("public-domain", "")
