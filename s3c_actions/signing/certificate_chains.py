"""Chains of certificates: the leaf first, each issued by the next, whatever the order of those that are given."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from s3c_actions.signing.certificates import is_authority, is_issued_by, is_valid_at

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def order_chain(
    leaf: Certificate, others: Sequence[Certificate], now: datetime | None = None
) -> tuple[Certificate, ...]:
    """Return the leaf and its issuers, as far as they are among the others, which are in any order.

    An authority may have several certificates of one name: an old and a renewed one, or one of its own and one that
    another authority issued. Of the chains to a self-signed root the shortest is taken whose authorities are valid
    now, or else the shortest; without any, one that is as complete as the others allow, for the error that says so.

    Args:
        leaf: the first of the chain.
        others: may have the leaf, certificates that lead nowhere, and each more than once.
        now: with a time zone; None is the time of the call.
    """
    distinct = [certificate for certificate in dict.fromkeys(others) if certificate != leaf]
    moment = now or datetime.now(UTC)
    valid = [certificate for certificate in distinct if _may_issue(certificate, moment)]
    return _shortest_chain(leaf, valid) or _shortest_chain(leaf, distinct) or _partial_chain(leaf, distinct)


def _may_issue(certificate: Certificate, now: datetime) -> bool:
    try:
        return is_valid_at(certificate, now) and is_authority(certificate)
    except ValueError:  # `check` says what is wrong with it
        return False


def _shortest_chain(leaf: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Return the shortest chain to a self-signed certificate, empty when there is none."""
    rest = list(others)
    chains: deque[tuple[Certificate, ...]] = deque([(leaf,)])
    while chains:
        chain = chains.popleft()
        if is_issued_by(chain[-1], chain[-1]):
            return chain
        issuers = [certificate for certificate in rest if is_issued_by(chain[-1], certificate)]
        rest = [certificate for certificate in rest if certificate not in issuers]
        chains.extend((*chain, issuer) for issuer in issuers)
    return ()


def _partial_chain(leaf: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Return a chain that ends early; where no certificate issued the last one, it goes on by the issuer's name."""
    chain, rest = [leaf], list(others)
    while True:
        named = [certificate for certificate in rest if certificate.subject == chain[-1].issuer]
        parent = next((certificate for certificate in named if is_issued_by(chain[-1], certificate)), None)
        if parent is None and chain[-1].issuer != chain[-1].subject:
            parent = next(iter(named), None)
        if parent is None:
            return tuple(chain)
        rest.remove(parent)
        chain.append(parent)


def split_chains(listed: Sequence[Certificate]) -> tuple[tuple[Certificate, ...], ...]:
    """Return the chain of each certificate that issued none of the others, leaf first, in the order of the leaves.

    Args:
        listed: of one signer or several, in any order; at least one.
    """
    distinct = tuple(dict.fromkeys(listed))
    issuers = {certificate.issuer for certificate in distinct if certificate.issuer != certificate.subject}
    leaves = [certificate for certificate in distinct if certificate.subject not in issuers]
    # Without any, each names another as its issuer: `check` says what does not fit.
    return tuple(order_chain(leaf, distinct) for leaf in leaves or distinct[:1])


def trust_anchor(chain: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Return the certificate to trust for this signer: its direct issuer, or itself when self-signed.

    Args:
        chain: leaf first.
    """
    return tuple(chain[1:2] or chain)
