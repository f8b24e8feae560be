"""A Kubernetes node in one container, and the gate on it: Gatekeeper and Ratify."""
