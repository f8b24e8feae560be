"""A created certificate keeps the Notary Project's rules."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from s3c_actions.core.errors import InputError
from s3c_actions.signing import certificate_rules, identities, key_creation, key_files

NOW = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)
SUBJECT = "C=US, ST=WA, O=example, CN=release"


def test_key_and_certificate_belong_together_and_may_sign():
    pair = key_creation.create(SUBJECT, NOW, timedelta(days=365))
    chain = key_files.read_signing_chain(pair.certificate)
    key = key_files.read_key(pair.key)
    for moment in (NOW, NOW + timedelta(days=364)):
        certificate_rules.check(chain, moment, key)
    assert certificate_rules.key_spec(chain[0]) == "EC-256"
    assert pair.subject == "CN=release,O=example,ST=WA,C=US"
    assert pair.ends == chain[0].not_valid_after_utc == NOW.replace(microsecond=0) + timedelta(days=365)
    usage = chain[0].extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.digital_signature, usage.value.key_cert_sign) == (True, True, False)
    assert not chain[0].extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "PRIVATE" not in repr(pair)


def test_two_keys_are_two():
    first, second = (key_creation.create(SUBJECT, NOW, timedelta(days=1)) for _ in range(2))
    assert first.key != second.key


def test_a_subject_is_kept_as_verifiers_name_it():
    subject = r"C=DE, ST=Bayern, L=M\, O, O=ex\+ample, OU=a, CN=ü"
    pair = key_creation.create(identities.parse_subject(subject), NOW, timedelta(days=1))
    assert identities.parse(pair.subject) == identities.parse(subject)


def test_a_life_of_no_time_is_rejected():
    with pytest.raises((InputError, ValueError)):
        key_creation.create(SUBJECT, NOW, timedelta(seconds=-7200))
