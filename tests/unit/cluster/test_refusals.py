"""Refusals of the API server, as it words them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3c_actions.cluster.client import ApiError, Cluster, ImmutableField

CLUSTER = Cluster(None, address="https://k.example.test")  # type: ignore[arg-type]  # it only translates
HPA = 'conflict with "kube-controller-manager" with subresource "scale" using apps/v1'
KUBECTL = 'conflict with "kubectl-client-side-apply" using apps/v1'


def translated(status: int, reason: str, message: str, *causes: tuple[str, str]) -> Any:
    details = {"causes": [{"reason": "FieldManagerConflict", "message": text, "field": at} for text, at in causes]}
    body = {"kind": "Status", "reason": reason, "message": message, **({"details": details} if causes else {})}
    return CLUSTER._translate_status("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", status, json.dumps(body))


@pytest.mark.parametrize(
    ("message", "causes", "what", "remedy"),
    [
        (f"Apply failed with 1 conflict: {HPA}: .spec.replicas", [(HPA, ".spec.replicas")],
         "spec.replicas (kube-controller-manager (by `scale`))", "Leave `replicas` out"),
        (f"Apply failed with 1 conflict: {HPA}: .spec.replicas", [],
         "spec.replicas (kube-controller-manager (by `scale`))", "Leave `replicas` out"),
        ('Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply":\n- .spec.a\n- .spec.b',
         [(KUBECTL, ".spec.a"), (KUBECTL, ".spec.b")],
         "spec.a (kubectl-client-side-apply), spec.b (kubectl-client-side-apply)", "force-conflicts: true"),
        ('Apply failed with 3 conflicts: conflicts with "helm" using apps/v1:\n- .spec.a\n'
         'conflicts with "kubectl-edit" using apps/v1:\n- .spec.b\n- .spec.c', [],
         "spec.a (helm), spec.b (kubectl-edit), spec.c (kubectl-edit)", "force-conflicts: true"),
        ("Operation cannot be fulfilled", [], "Another field manager owns what is to be changed.", "force-conflicts"),
    ],
)  # fmt: skip
def test_a_conflict_names_the_manager_and_the_field(message, causes, what, remedy):
    error = translated(409, "Conflict", message, *causes)
    assert isinstance(error, ApiError)
    assert what in error.what
    assert remedy in error.remedy


IMMUTABLE = {
    "job": ('Job.batch "migrate" is invalid: spec.template: Invalid value: {"metadata":{}}: field is immutable',
            "The Job migrate exists, and its spec.template cannot be changed.", "recreate: jobs"),
    "selector": ('Deployment.apps "web" is invalid: spec.selector: Invalid value: {}: field is immutable',
                 "The Deployment web exists, and its spec.selector cannot be changed.", "delete the object"),
    "statefulset": ("StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for fields other "
                    "than 'replicas', 'ordinals' are forbidden", "The StatefulSet db exists", "--cascade=orphan"),
    "claim": ('PersistentVolumeClaim "d" is invalid: spec.resources.requests.storage: Forbidden: field can not be less '
              "than status.capacity", "its spec.resources.requests.storage cannot", "another name"),
    "service": ('Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.0.0.9"]: may not change once set',
                "The Service web exists, and its spec.clusterIPs[0] cannot", "delete the object"),
    "role binding": ('RoleBinding.rbac.authorization.k8s.io "b" is invalid: roleRef: Invalid value: {"kind":"Role"}: '
                     "cannot change roleRef", "The RoleBinding b exists, and its roleRef cannot", "delete the object"),
    "secret": ('Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set',
               "The Secret s exists, and its data cannot be changed.", "delete the object"),
    "pod": ('Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.tolerations` '
            "(only additions to existing tolerations)\n  core.PodSpec{", "The Pod web exists", "Deploy a Deployment"),
    "storage class": ('StorageClass.storage.k8s.io "s" is invalid: [parameters: Forbidden: updates to parameters are '
                      "forbidden., provisioner: Forbidden: updates to provisioner are forbidden.]",
                      "The StorageClass s exists, and its parameters cannot", "delete the object"),
    "several": ('Service "web" is invalid: [spec.clusterIPs[0]: Invalid value: []string{"None"}: may not change once '
                'set, spec.ipFamilies[0]: Invalid value: "IPv6": may not change once set]',
                "its spec.clusterIPs[0] cannot", "delete the object"),
    "rule of a custom kind": ('Widget.example.test "w" is invalid: <nil>: Invalid value: "null": spec is immutable',
                              "The Widget w exists", "delete the object"),
}  # fmt: skip


@pytest.mark.parametrize(("message", "what", "remedy"), IMMUTABLE.values(), ids=IMMUTABLE)
def test_a_fixed_field_is_explained(message, what, remedy):
    error = translated(422, "Invalid", message)
    assert isinstance(error, ImmutableField)
    assert what in error.what
    assert remedy in error.remedy
    assert error.original == message


def test_of_several_fields_the_fixed_one_is_named():
    labels, selector = "spec.template.metadata.labels", "spec.selector"
    causes = [("`selector` does not match template `labels`", labels), ("field is immutable", selector)]
    listed = ", ".join(f"{field}: Invalid value: {{}}: {text}" for text, field in causes)
    error = translated(422, "Invalid", f'Deployment.apps "web" is invalid: [{listed}]', *causes)
    assert isinstance(error, ImmutableField)
    assert error.what == "The Deployment web exists, and its spec.selector cannot be changed."


def test_another_invalid_object_is_reported_as_it_is():
    error = translated(
        422, "Invalid", 'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be >= 0'
    )
    assert not isinstance(error, ImmutableField)
    assert "HTTP 422" in error.what


@pytest.mark.parametrize(
    "message",
    [
        'Operation cannot be fulfilled on deployments.apps "x": the object has been modified; please apply your '
        "changes to the latest version and try again",
        "Precondition failed: UID in precondition: 1, UID in object meta: 2",
        "metadata.managedFields must be nil",
    ],
)
def test_a_manifest_that_was_exported_is_recognized(message):
    error = translated(409, "Conflict", message)
    assert "since the manifest was read from a cluster" in error.what
    assert "`kubectl get -o yaml`" in error.cause
    assert "Take them out" in error.remedy
