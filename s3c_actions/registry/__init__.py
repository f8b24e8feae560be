"""A client for registries, by the OCI distribution specification 1.1.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md. `copying` and `archive`, which few commands
need, are not imported here.
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
from s3c_actions.registry.source import ImageSource, RepositorySource
from s3c_actions.registry.writing import Writer

__all__ = [
    "DOCKER_INDEX",
    "DOCKER_MANIFEST",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "Descriptor",
    "ImageConfig",
    "ImageSource",
    "Manifest",
    "Registry",
    "RepositorySource",
    "Writer",
    "choose",
]
