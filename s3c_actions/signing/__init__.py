"""Certificates, the identities in them, and signature envelopes."""
