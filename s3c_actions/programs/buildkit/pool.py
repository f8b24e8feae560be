"""Several BuildKits: an image sticks to one of them by its base, and goes to the next while that one is down.

The order of the addresses for a base is by rendezvous hashing (Thaler and Ravishankar, 1998): all workers agree on it
without asking each other, images of one base find its layers and the distribution's package index in one BuildKit's
cache, and an address that is added or lost moves no other's images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Progress
from s3c_actions.programs.buildkit import buildkit
from s3c_actions.programs.buildkit.buildkit import TlsFiles

T = TypeVar("T")


def order(addresses: Sequence[str], base: str) -> list[str]:
    """Return the addresses in the order in which a base prefers them.

    Args:
        addresses: of the pool; their order has no effect.
        base: digest of the lowest layer, or another name that images with something in common share.
    """

    def weight(address: str) -> bytes:
        return hashlib.sha256(f"{base}\0{address}".encode()).digest()

    return sorted(set(addresses), key=weight, reverse=True)


class Pool:
    """The BuildKits of a run; safe for threads.

    Args:
        addresses: two or more, without `auto`.
        tls: for the `tcp://` ones.
        runner: for `docker`, where an address is a container's.
        progress: receives a warning for each that does not answer, once until it answers again.
    """

    def __init__(self, addresses: Sequence[str], tls: TlsFiles, runner: Runner, progress: Progress) -> None:
        self._addresses = tuple(addresses)
        self._tls = tls
        self._runner = runner
        self._progress = progress
        self._down: set[str] = set()
        self._lock = Lock()

    def build(self, base: str, action: Callable[[str], T]) -> T:
        """Run an action with the first address that answers; with the next when that one is lost meanwhile.

        Args:
            base: as of `order`.
            action: builds with the BuildKit at an address. It may be called again with another one.

        Raises:
            OutsideError: none of them answers, or the action failed at one that still answers.
        """
        failures: list[OutsideError] = []
        for address in order(self._addresses, base):
            failure = self._check(address)
            if failure is None:
                try:
                    return action(address)
                except OutsideError as error:
                    failure = self._check(address)
                    if failure is None:
                        raise
                    failure = error
            failures.append(failure)
        raise OutsideError(
            f"None of the {len(self._addresses)} BuildKits answered.",
            cause="Their daemons do not run, or this machine cannot reach them; in a cluster, perhaps a network policy "
            "is in the way.",
            remedy="Look at the addresses in `buildkit-addr` and at the daemons' logs.",
            original="\n".join(f"{failure.what} {failure.original}".strip() for failure in failures),
        )

    def _check(self, address: str) -> OutsideError | None:
        """Return why an address cannot be used; None when it can."""
        try:
            buildkit.check(address, self._tls, self._runner)
        except OutsideError as error:
            with self._lock:
                known = address in self._down
                self._down.add(address)
            if not known:
                self._progress.warning(f"{error.what} The next address of `buildkit-addr` is taken.")
            return error
        with self._lock:
            self._down.discard(address)
        return None
