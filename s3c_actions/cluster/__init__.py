"""Kubernetes: manifests, the gate in front of it, applying objects and waiting for their rollout."""
