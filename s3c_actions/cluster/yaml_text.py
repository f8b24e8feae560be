"""Kubernetes objects as YAML text, as people write it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from s3c_actions.cluster.client import KubernetesObject


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes several lines as a block, and nothing as an alias, which `kubectl` reads and people do not."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _represent_text(dumper: _Dumper, value: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _represent_text)


def render(documents: Iterable[KubernetesObject]) -> str:
    """Return the documents in their order, keys in theirs; certificates and scripts are blocks, line by line."""
    return str(
        yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, explicit_start=True)
    )
