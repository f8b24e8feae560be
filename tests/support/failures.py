"""Failures that no recording has: what each program or service says by its source or documentation."""

from __future__ import annotations

from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer: status, and the error in its body."""

    status: int
    error: dict[str, Any]


GIVEN: dict[str, tuple[str, ...]] = {
    "api server": (
        'Job.batch "migrate" is invalid: spec.template: Invalid value: {"metadata":{}}: field is immutable',
        'StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than '
        "'replicas', 'ordinals', 'template' are forbidden",
        'PersistentVolumeClaim "d" is invalid: spec.resources.requests.storage: Forbidden: field can not be less than '
        "status.capacity",
        'Deployment.apps "web" is invalid: spec.selector: Invalid value: {"matchLabels":{}}: field is immutable',
        'Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.x`',
    ),
    "trivy": (
        "x\tFATAL\tFatal error\tdatabase error: the version of DB schema doesn't match. Local DB: 1, Expected: 2",
        "x\tFATAL\tFatal error\tinit error: DB error: failed to download vulnerability DB: OCI artifact error: "
        "unexpected status code 500",
        "x\tFATAL\tFatal error\timage scan error: unable to find the specified image: 1 error occurred:\n"
        "\t* docker error: unable to inspect the image (app:1): Error response from daemon: No such image: app:1",
    ),
    "docker save": (
        "Error response from daemon: reference does not exist",
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    ),
    "copa": (
        "Error: emulation is not enabled for platform linux/arm64",
        "Error: failed to do request: x509: certificate signed by unknown authority",
        'Error: process "/bin/sh -c apt-get update" did not complete successfully: exit code: 100',
        "Error: write /var/lib/buildkit/x: no space left on device",
        "Error: unexpected status from HEAD request: 401 Unauthorized",
        "Error: patch failed: GPG error: http://mirror.example bookworm InRelease: NO_PUBKEY 0E98404D386FA1D9",
    ),
    "notation sign": (
        "Error: failed to check root certificate in the file root.crt: it is a leaf",
        "Error: dial tcp 192.0.2.1:443: i/o timeout",
        "Error: http: server gave HTTP response to HTTPS client",
        'Error: PUT "http://r.test/": response status code 400: digest invalid: provided digest did not match uploaded '
        "content; manifest blob unknown: blob unknown to registry",
        "Error: tls: failed to verify certificate",
        f'Error: failed to push referrers index tagged by sha256-{"0" * 64}: PUT "http://r.test/": response status '
        "code 412: precondition: Failed to process request due to 'app:1' configured as immutable.",
    ),
    "registry write": (
        "400 TAG_INVALID: The image tag '1' already exists in the 'app' repository and cannot be overwritten because "
        "the tag is immutable.",
        "400 MANIFEST_INVALID: manifest invalid: unknown media type: application/sarif+json",
    ),
    "notation verify": (
        "Error: failed to read the trusted certificate x.crt: asn1: structure error",
        'Error: trust policy statement "s3c": x',
    ),
    "notation reject": (
        "unable to find specified metadata in the signature",
        "no timestamp countersignature was found in the signature envelope",
        'timestamping certificate with subject "CN=tsa" revocation status is unknown',
        "signing certificate with subject CN=x is revoked",
        'certificate "CN=x" is not valid: verification time is before certificate "CN=x" validity period',
        "content descriptor mismatch",
        "signature is invalid. Error: signature is invalid",
        'error while parsing the certificate subject from the digital signature. error : "x"',
    ),
    "buildkit": (
        "Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit.",
        "Error response from daemon: authorization denied by plugin x: privileged containers are not allowed",
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        "Error response from daemon: pull access denied for x, repository does not exist or may require 'docker login'",
        'Error response from daemon: Get "https://x/v2/": http: server gave HTTP response to HTTPS client',
        'Error response from daemon: Get "https://x/v2/": dial tcp: lookup x on 127.0.0.53:53: no such host',
        "failed to register layer: write /usr/bin/x: no space left on device",
        "buildkitd: could not mount: operation not permitted",
    ),
    "containers": (
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "Error processing tar file(exit status 1): write /usr/lib/x: no space left on device",
        "runc run failed: unable to start container process: can't get final child's PID from pipe: EOF; cgroup v2",
        "runc run failed: unable to start container process: unable to create user namespaces: operation not permitted",
        "docker load: deadline exceeded",
    ),
    "helm": (
        "Error: failed to parse x.yaml: yaml: line 1",
        "Error: values don't meet the specifications of the schema(s) in the following chart(s): ratify",
        "Error: Chart.yaml file is missing",
        "Error: invalid ownership metadata; label validation error",
        'Error: secrets is forbidden: User "x" cannot list resource "secrets"',
        "Error: UPGRADE FAILED: timed out waiting for the condition",
    ),
    "helm uninstall": (
        'Error: uninstall: Release not loaded: ratify: secrets is forbidden: User "x" cannot list resource "secrets"',
        'Error: Kubernetes cluster unreachable: Get "https://127.0.0.1:1/version": connect: connection refused',
    ),
    "go": (
        "write /x: no space left on device",
        "verifying example.com/x@v1: checksum mismatch",
        "missing go.sum entry for module providing package x",
        "Get https://proxy.example: dial tcp: lookup proxy.example: no such host",
        "Get https://proxy.example: net/http: TLS handshake: i/o timeout",
    ),
    "entra": (
        "AADSTS700024: Client assertion is not within its valid time range.",
        "AADSTS700213: No matching federated identity record found for presented assertion subject 's'.",
        "AADSTS700212: No matching federated identity record found for presented assertion audience 'u'.",
        "AADSTS700211: No matching federated identity record found for presented assertion issuer 'i'.",
        "AADSTS7002138: No matching federated identity record found for presented assertion subject 's'. The subject "
        "matches with case-insensitive comparison, but not with case-sensitive comparison.",
        "AADSTS70025: The client 'c' has no configured federated identity credentials.",
        "AADSTS700222: AAD-issued tokens may not be used for federated identity flows.",
        "AADSTS700027: Client assertion failed signature validation.",
        "AADSTS700016: Application with identifier 'c' was not found in the directory 't'.",
        "AADSTS7000112: Application 'c' is disabled.",
        "AADSTS90002: Tenant 't' not found.",
        "AADSTS500011: The resource principal named https://vault.example was not found in the tenant named t.",
        "AADSTS7000215: Invalid client secret provided.",
        "AADSTS700082: The refresh token has expired due to inactivity.",
        "AADSTS50020: User account 'u' from identity provider 'live.com' does not exist in tenant 't'.",
        "AADSTS53003: Access has been blocked by Conditional Access policies.",
        "AADSTS50196: The server terminated an operation because it encountered a client request loop.",
        "AADSTS999999: Something new.",
    ),
    "key vault network": ("[Errno -2] Name or service not known", "Connection refused"),
    "registry login": (
        "403 DENIED: client with IP '192.0.2.1' is not allowed access. Refer https://aka.ms/acr/firewall",
        "404 ",
        "401 UNAUTHORIZED: authentication required",
        "500 ",
    ),
    "registry login network": ("Failed to resolve 'reg.azurecr.io'", "Connection refused"),
    "gate": (
        "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
        "signature is not produced by a trusted signer",
        "the integrity check failed",
        "no timestamp countersignature was found in the signature envelope",
        "failed to verify the timestamp countersignature with error: failed to verify signed token: cms verification "
        "failure: x509: certificate signed by unknown authority",
        'timestamping certificate with subject "CN=tsa" revocation status is unknown',
        "HEAD https://example.com/v2/: response status code 401: unauthorized",
        "manifest unknown",
        "no signature is associated with it",
        'failed calling webhook "validation.gatekeeper.sh": Post "https://x": context deadline exceeded',
        "something new",
    ),
}

VAULT = (
    Answer(
        403,
        {
            "code": "Forbidden",
            "message": "Client address is not authorized and caller is not a trusted service.\r\n"
            "Client address: 192.0.2.1\r\nCaller: name=NotSpecified",
            "innererror": {"code": "ForbiddenByFirewall"},
        },
    ),
    Answer(
        403,
        {
            "code": "Forbidden",
            "message": "Public network access is disabled and request is not from a trusted service",
            "innererror": {"code": "ForbiddenByConnection"},
        },
    ),
    *(
        Answer(
            403,
            {
                "code": "Forbidden",
                "message": "Caller is not authorized to perform action on resource.\r\nCaller: appid=c;oid=o\r\n"
                f"Action: 'Microsoft.KeyVault/vaults/{action}'\r\nResource: '/subscriptions/s/resourcegroups/g/"
                "providers/microsoft.keyvault/vaults/v/keys/signing'\r\nAssignment: (not found)",
                "innererror": {"code": "ForbiddenByRbac"},
            },
        )
        for action in ("keys/sign/action", "certificates/read", "keys/wrap/action")
    ),
    Answer(
        403,
        {
            "code": "Forbidden",
            "message": "The user, group or application 'appid=c' does not have keys sign permission on key vault 'v'.",
            "innererror": {"code": "ForbiddenByPolicy"},
        },
    ),
    Answer(403, {"code": "Forbidden", "message": "Not so.", "innererror": {"code": "AccessDenied"}}),
    Answer(
        403,
        {
            "code": "Forbidden",
            "message": "Operation sign is not allowed on a disabled key.",
            "innererror": {"code": "KeyDisabled"},
        },
    ),
    Answer(403, {"code": "Forbidden", "message": "Operation sign is not allowed on an expired key."}),
    Answer(403, {"code": "Forbidden", "message": "The key isn't yet valid."}),
    Answer(404, {"code": "CertificateNotFound", "message": "A certificate with (name/id) signing was not found."}),
    Answer(
        401,
        {
            "code": "Unauthorized",
            "message": "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/0a1b/, "
            "found https://sts.windows.net/2c3d/.",
        },
    ),
    Answer(401, {"code": "Unauthorized", "message": "AKV10032: Invalid issuer."}),
    Answer(401, {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}),
    Answer(429, {"code": "Throttled", "message": "Too many requests."}),
    Answer(500, {"code": "InternalServerError", "message": "It failed."}),
)
"""https://learn.microsoft.com/azure/key-vault/general/rest-error-codes"""

RESOURCE_MANAGER = (
    Answer(404, {"code": "SubscriptionNotFound", "message": "The subscription 's' could not be found."}),
    Answer(404, {"code": "ResourceGroupNotFound", "message": "Resource group 'g' could not be found."}),
    Answer(404, {"code": "ResourceNotFound", "message": "The Resource 'n' was not found."}),
    Answer(401, {"code": "InvalidAuthenticationTokenTenant", "message": "The access token is from the wrong issuer."}),
    Answer(403, {"code": "AuthorizationFailed", "message": "The client 'c' does not have authorization."}),
    Answer(503, {"code": "ServerBusy", "message": "Try again."}),
)

GITHUB = (
    Answer(429, {"message": "You have exceeded a secondary rate limit."}),
    Answer(403, {"message": "Unable to create comment because issue is locked."}),
    Answer(403, {"message": "Code scanning is not enabled for this repository."}),
    Answer(401, {"message": "Bad credentials"}),
    Answer(403, {"message": "Resource not accessible by integration"}),
    Answer(404, {"message": "Not Found"}),
    Answer(413, {"message": "Payload Too Large"}),
    Answer(422, {"message": "Validation Failed", "errors": [{"message": "body is too long"}]}),
    Answer(200, {"message": "", "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}),
    Answer(500, {"message": "Server Error"}),
)
