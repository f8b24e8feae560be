"""Which chain leads from a certificate to its root, among others in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from s3c_actions.signing import certificate_chains
from s3c_lab.certificates import make, make_authority

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def test_the_chains_of_one_file_are_separated() -> None:
    root = make_authority("root")
    chained = make("leaf", issuer=make_authority("intermediate", issuer=root, path_length=0))
    alone, below = make("alone"), make("below", issuer=root)
    listed = [*chained.chain, *alone.chain, *below.chain]
    assert certificate_chains.split_chains(listed) == (chained.chain, alone.chain, below.chain)
    assert certificate_chains.split_chains(chained.chain) == (chained.chain,)
    assert certificate_chains.split_chains([]) == ()
    # Their order in the file does not matter, and a certificate that stands there twice is one.
    assert certificate_chains.split_chains([*listed[::-1], *listed]) == (below.chain, alone.chain, chained.chain)


def test_a_chain_is_found_among_certificates_that_lead_elsewhere() -> None:
    root = make_authority("root")
    intermediate = make_authority("intermediate", issuer=root)
    leaf, other = make("leaf", issuer=intermediate), make("other")
    others = [other.certificate, root.certificate, leaf.certificate, intermediate.certificate, root.certificate]
    for listed in (others, others[::-1]):
        assert certificate_chains.order_chain(leaf.certificate, listed) == leaf.chain
    assert certificate_chains.order_chain(other.certificate, others) == other.chain


def test_of_an_authoritys_certificates_the_one_that_is_valid_now_is_taken() -> None:
    old = make("root", authority=True, start=NOW - 9 * DAY, end=NOW - DAY)
    renewed = make("root", authority=True, key=old.key)
    leaf = make("leaf", issuer=renewed)
    for listed in ([old.certificate, renewed.certificate], [renewed.certificate, old.certificate]):
        assert certificate_chains.order_chain(leaf.certificate, listed, NOW) == (leaf.certificate, renewed.certificate)
    # Without a valid one, the chain is complete all the same: `check` says that it has expired.
    assert certificate_chains.order_chain(leaf.certificate, [old.certificate], NOW) == (
        leaf.certificate,
        old.certificate,
    )


def test_a_chain_that_ends_early_goes_as_far_as_it_can() -> None:
    intermediate = make_authority("intermediate", issuer=make_authority("root"))
    leaf = make("leaf", issuer=intermediate)
    assert certificate_chains.order_chain(leaf.certificate, []) == (leaf.certificate,)
    assert certificate_chains.order_chain(leaf.certificate, [intermediate.certificate]) == leaf.chain[:2]
    # One of another key goes on by its name, so that the error can name it.
    namesake = make_authority("intermediate")
    assert certificate_chains.order_chain(leaf.certificate, [namesake.certificate]) == (
        leaf.certificate,
        namesake.certificate,
    )


def test_whom_to_trust_for_a_signer() -> None:
    root = make_authority("root")
    alone, below = make("alone"), make("below", issuer=make_authority("intermediate", issuer=root))
    assert certificate_chains.trust_anchor(alone.chain) == alone.chain
    assert certificate_chains.trust_anchor(below.chain) == (below.chain[1],)
