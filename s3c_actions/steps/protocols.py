"""What steps need of the program that scans and of the one that signs: `Trivy` and `Notation` are what they are given.

Requests and results are those of the modules in `programs/`: they are data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from s3c_actions.core.progress import Progress
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.programs.notation.notation import AcceptedSignature, ListedSignature, SigningRequest
    from s3c_actions.programs.trivy.arguments import MatchRequest, ScanOptions, ScanRequest
    from s3c_actions.programs.trivy.cache import DatabaseMetadata
    from s3c_actions.programs.trivy.trivy import Conversion


class Scanner(Protocol):
    """Scans images into a JSON report, and makes other documents of it.

    Attributes:
        cache: its folder of databases.
    """

    cache: Path

    @property
    def version(self) -> str:
        """The version of the program; a kept report of another version is not used."""

    def scan(self, request: ScanRequest, progress: Progress) -> tuple[str, ...]:
        """Scan one image into a complete report.

        Returns:
            The program's warnings, untrusted.

        Raises:
            InputError: what was given cannot be scanned.
            OutsideError: a registry, a database or the machine failed.
        """

    def database(self, name: str = ...) -> DatabaseMetadata | None:
        """The state of a database (`db`, `java-db`) in the cache; None when none there can be used."""

    def sources(self) -> frozenset[str] | None:
        """The sources of the advisories in the vulnerability database; None when it is not there."""

    def settings_in_environment(self) -> Mapping[str, str]:
        """The variables of the environment that reach the program and change what it does."""

    def convert(self, report: Path, conversion: Conversion) -> None:
        """Make a document of a report; raises OutsideError when that failed."""

    def converting(self, report: Path, conversions: Iterable[Conversion]) -> AbstractContextManager[Callable[[], None]]:
        """Make documents of a report while the block does something else; what it yields waits for them."""


class SbomScanner(Protocol):
    """Matches bills of materials against the vulnerability database, which it downloads once."""

    @property
    def version(self) -> str:
        """The version of the program."""

    def update_database(self, options: ScanOptions, progress: Progress) -> None:
        """Download the database unless the one that is there is new enough; raises OutsideError when that failed."""

    def database(self, name: str = ...) -> DatabaseMetadata | None:
        """As of `Scanner`."""

    def sources(self) -> frozenset[str] | None:
        """As of `Scanner`."""

    def match(self, request: MatchRequest, progress: Progress) -> tuple[str, ...]:
        """Match one document, and return the program's warnings; raises OutsideError when that failed."""


class Verifier(Protocol):
    """Lists and verifies signatures, by the trust that a `Home` holds."""

    def signatures(self, home: NotationHome, reference: str) -> tuple[ListedSignature, ...]:
        """The signatures at a pinned reference, unverified."""

    def verify(
        self, home: NotationHome, reference: str, metadata: Mapping[str, str] | None = None
    ) -> AcceptedSignature:
        """Verify a pinned reference; raises Refused when no signature with this metadata is accepted."""

    def verify_layout(self, home: NotationHome, layout: Path, digest: str, scope: str) -> None:
        """Verify an artifact of an OCI layout on disk by the trust for a repository; raises Refused."""


class Signer(Verifier, Protocol):
    """Signs, too, with the key that a `Home` holds."""

    def sign(self, home: NotationHome, reference: str, request: SigningRequest) -> None:
        """Sign a pinned reference and push the signature."""

    def rehearse(self, home: NotationHome, layout: Path, digest: str, request: SigningRequest) -> None:
        """Sign an artifact of an OCI layout on disk: nothing is pushed."""
