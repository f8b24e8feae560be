"""Settings of the manifests that keep a fleet."""

from datetime import UTC, datetime, timedelta

from s3c_actions.fleet import pool_certificates, pool_manifests
from s3c_actions.fleet.manifests import FleetSettings
from s3c_actions.fleet.pool_manifests import PoolSettings

NOW = datetime(2026, 11, 29, 2, 30, tzinfo=UTC)
LIFE = timedelta(days=90)
FLEET = {"ops/fleet.yaml": "version: 1\nimages: []\n", "s3c-policy.yaml": "version: 1\n"}
POOL = PoolSettings(
    namespace="fleet-buildkit",
    workers="fleet",
    replicas=2,
    mode="rootless",
    image="docker.io/moby/buildkit:v0.34.2-rootless",
    configuration=pool_manifests.CONFIGURATION,
    ports=(80, 443),
    certificates=pool_certificates.issue(pool_manifests.dns_names("fleet-buildkit"), NOW, LIFE),
)
SETTINGS = FleetSettings(
    image=f"ghcr.io/org/s3c:1.0.0@sha256:{'a' * 64}",
    namespace="fleet",
    fleet="ops/fleet.yaml",
    files=FLEET,
    store="registry.example/s3c-fleet",
    schedule="30 2 * * *",
    time_zone="Etc/UTC",
    shards=8,
    workers=4,
    deadline=6 * 3600,
    variables={"S3C_FAIL_ON": "HIGH"},
    client_id="",
    registry_secret="logins",
    key_secret="signing",
    cluster_images=False,
    ports=(443,),
    pool=POOL,
)
