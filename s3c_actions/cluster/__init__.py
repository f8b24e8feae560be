"""Kubernetes: manifests, the gate in front of it, what is applied and what becomes of it."""
