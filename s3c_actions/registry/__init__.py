"""A registry, as the OCI distribution specification 1.1 has it: read and written to.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md. What few commands need is not imported here:
`copying` and `archive`.
"""

from s3c_actions.registry.content import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    choose,
)
from s3c_actions.registry.reading import Registry
from s3c_actions.registry.source import RepositorySource, Source
from s3c_actions.registry.writing import Writer

__all__ = [
    "DOCKER_INDEX",
    "DOCKER_MANIFEST",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "Descriptor",
    "ImageConfig",
    "Manifest",
    "Registry",
    "RepositorySource",
    "Source",
    "Writer",
    "choose",
]
