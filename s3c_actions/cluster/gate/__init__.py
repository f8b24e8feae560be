"""The gate in front of the cluster: its objects, what is there of it, and what its denials say."""
