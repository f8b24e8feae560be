"""The Kubernetes client, imported when it is first used (`core.libraries`): it takes 0.1 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core.libraries import late

__all__ = [
    "kube_config",
    "kubernetes_client",
    "kubernetes_config",
    "kubernetes_config_exceptions",
    "kubernetes_exceptions",
]

if TYPE_CHECKING:
    from kubernetes import client as kubernetes_client
    from kubernetes import config as kubernetes_config
    from kubernetes.client import exceptions as kubernetes_exceptions
    from kubernetes.config import config_exception as kubernetes_config_exceptions
    from kubernetes.config import kube_config
else:
    kube_config = late("kubernetes.config.kube_config")
    kubernetes_client = late("kubernetes.client")
    kubernetes_config = late("kubernetes.config")
    kubernetes_config_exceptions = late("kubernetes.config.config_exception")
    kubernetes_exceptions = late("kubernetes.client.exceptions")
