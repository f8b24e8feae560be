"""One policy for the gate in CI, the verdict people read, and the cluster's decision: `s3c-policy.yaml`."""
