"""A registry, as the OCI distribution specification 1.1 has it: what is read from it, written to it and copied to it.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
"""

from s3c_actions.registry.archive import Archive
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
from s3c_actions.registry.copying import Copied, Copier
from s3c_actions.registry.reading import Registry
from s3c_actions.registry.source import RepositorySource, Source
from s3c_actions.registry.writing import Writer

__all__ = [
    "DOCKER_INDEX",
    "DOCKER_MANIFEST",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "Archive",
    "Copied",
    "Copier",
    "Descriptor",
    "ImageConfig",
    "Manifest",
    "Registry",
    "RepositorySource",
    "Source",
    "Writer",
    "choose",
]
