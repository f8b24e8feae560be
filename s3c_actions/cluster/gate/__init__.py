"""The gate in front of the cluster: its objects, their inspection, and the meaning of its denials."""
