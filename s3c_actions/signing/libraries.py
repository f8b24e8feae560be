"""`cryptography`, imported when it is first used (`core.libraries`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core.libraries import late

__all__ = ["crypto_exceptions", "ec", "hashes", "padding", "pkcs12", "rsa", "serialization", "x509"]

if TYPE_CHECKING:
    from cryptography import exceptions as crypto_exceptions
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import pkcs12
else:
    crypto_exceptions = late("cryptography.exceptions")
    ec = late("cryptography.hazmat.primitives.asymmetric.ec")
    hashes = late("cryptography.hazmat.primitives.hashes")
    padding = late("cryptography.hazmat.primitives.asymmetric.padding")
    pkcs12 = late("cryptography.hazmat.primitives.serialization.pkcs12")
    rsa = late("cryptography.hazmat.primitives.asymmetric.rsa")
    serialization = late("cryptography.hazmat.primitives.serialization")
    x509 = late("cryptography.x509")
