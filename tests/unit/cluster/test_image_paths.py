"""Where custom kinds name images: by structure, by the table, and by what `image-paths` adds."""

from __future__ import annotations

import pytest

from s3c_actions.cluster import image_paths, manifests
from s3c_actions.cluster.image_paths import Certainty, Classifier
from s3c_actions.core.errors import InputError

OLD = "registry.test/app:1.0"
NEW = "registry.test/app@sha256:" + "ab" * 32

# Kind, version, and the path of an image in it, as the kinds' own documentation has it.
KNOWN = """
Rollout argoproj.io/v1alpha1 spec.template.spec.containers[].image
Rollout argoproj.io/v1alpha1 spec.template.spec.initContainers[].image
Experiment argoproj.io/v1alpha1 spec.templates[].template.spec.containers[].image
AnalysisTemplate argoproj.io/v1alpha1 spec.metrics[].provider.job.spec.template.spec.containers[].image
ClusterAnalysisTemplate argoproj.io/v1alpha1 spec.metrics[].provider.job.spec.template.spec.initContainers[].image
Workflow argoproj.io/v1alpha1 spec.templates[].container.image
Workflow argoproj.io/v1alpha1 spec.templates[].script.image
Workflow argoproj.io/v1alpha1 spec.templates[].containerSet.containers[].image
Workflow argoproj.io/v1alpha1 spec.templates[].initContainers[].image
Workflow argoproj.io/v1alpha1 spec.templates[].sidecars[].image
WorkflowTemplate argoproj.io/v1alpha1 spec.templates[].dag.tasks[].inline.container.image
CronWorkflow argoproj.io/v1alpha1 spec.workflowSpec.templates[].container.image
Sensor argoproj.io/v1alpha1 spec.triggers[].template.k8s.source.resource.spec.containers[].image
ScaledJob keda.sh/v1alpha1 spec.jobTargetRef.template.spec.containers[].image
JobSet jobset.x-k8s.io/v1alpha2 spec.replicatedJobs[].template.spec.template.spec.containers[].image
LeaderWorkerSet leaderworkerset.x-k8s.io/v1 spec.leaderWorkerTemplate.workerTemplate.spec.containers[].image
PyTorchJob kubeflow.org/v1 spec.pytorchReplicaSpecs.Worker.template.spec.containers[].image
RayCluster ray.io/v1 spec.headGroupSpec.template.spec.containers[].image
RayCluster ray.io/v1 spec.workerGroupSpecs[].template.spec.containers[].image
Job batch.volcano.sh/v1alpha1 spec.tasks[].template.spec.containers[].image
Fleet agones.dev/v1 spec.template.spec.template.spec.containers[].image
Task tekton.dev/v1 spec.steps[].image
Task tekton.dev/v1 spec.sidecars[].image
Task tekton.dev/v1 spec.stepTemplate.image
StepAction tekton.dev/v1 spec.image
Pipeline tekton.dev/v1 spec.tasks[].taskSpec.steps[].image
PipelineRun tekton.dev/v1 spec.pipelineSpec.finally[].taskSpec.steps[].image
TaskRun tekton.dev/v1 spec.taskSpec.steps[].image
Service serving.knative.dev/v1 spec.template.spec.containers[].image
VirtualMachine kubevirt.io/v1 spec.template.spec.volumes[].containerDisk.image
VirtualMachineInstance kubevirt.io/v1 spec.domain.firmware.kernelBoot.container.image
Prometheus monitoring.coreos.com/v1 spec.image
Prometheus monitoring.coreos.com/v1 spec.thanos.image
Prometheus monitoring.coreos.com/v1 spec.containers[].image
Alertmanager monitoring.coreos.com/v1 spec.image
CephCluster ceph.rook.io/v1 spec.cephVersion.image
FlinkDeployment flink.apache.org/v1beta1 spec.image
SparkApplication sparkoperator.k8s.io/v1beta2 spec.driver.image
DeploymentConfig apps.openshift.io/v1 spec.template.spec.containers[].image
Template template.openshift.io/v1 objects[].spec.template.spec.containers[].image
CloneSet apps.kruise.io/v1alpha1 spec.template.spec.volumes[].image.reference
RunnerDeployment actions.summerwind.dev/v1alpha1 spec.template.spec.image
CronJob batch/v1beta1 spec.jobTemplate.spec.template.spec.containers[].image
Deployment extensions/v1beta1 spec.template.spec.containers[].image
"""


def manifest(kind: str, version: str, path: str, value: str = OLD, beside: str = "") -> str:
    """An object with a value at a path, in flow style."""
    *steps, last = path.replace("[]", ".[]").split(".")
    text = f'{{name: x, {last}: "{value}"{beside}}}'
    for step in reversed(steps):
        text = f"[{text}]" if step == "[]" else f"{{{step}: {text}}}"
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n{text[1:-1]}\n"


@pytest.mark.parametrize("row", KNOWN.split("\n")[1:-1])
def test_images_of_known_kinds_are_replaced(row):
    text = manifest(*row.split())
    parsed = manifests.parse(text, source="x.yaml")
    assert [use.image for use in parsed.uses] == [OLD], row
    assert parsed.candidates == ()
    assert parsed.rewritten({OLD: NEW}) == text.replace(OLD, NEW)


@pytest.mark.parametrize(
    ("kind", "version", "path"),
    [
        ("Database", "data.example.test/v1", "spec.image"),
        ("Database", "data.example.test/v1", "spec.backup.sidecarImage"),
        ("Cluster", "postgresql.cnpg.io/v1", "spec.imageName"),
        ("Kafka", "kafka.strimzi.io/v1", "spec.kafka.image"),
        ("Database", "data.example.test/v1", "spec.proxy_image"),
        ("Database", "data.example.test/v1", "spec.image_name"),
        ("Database", "data.example.test/v1", "spec.vars.PROXY_IMAGE"),
        ("ClusterPolicy", "kyverno.io/v1", "spec.rules[].mutate.patchStrategicMerge.spec.containers[].image"),
    ],
)
def test_what_seems_to_be_an_image_is_a_candidate(kind, version, path):
    parsed = manifests.parse(manifest(kind, version, path), source="x.yaml")
    assert parsed.uses == ()
    assert [use.image for use in parsed.candidates] == [OLD]
    assert not parsed.candidates[0].fixed


@pytest.mark.parametrize(
    ("kind", "version", "path", "value"),
    [
        ("ConfigMap", "v1", "data.image", OLD),
        ("CustomResourceDefinition", "apiextensions.k8s.io/v1", "spec.versions[].schema.image", OLD),
        ("Database", "data.example.test/v1", "status.image", OLD),
        ("Database", "data.example.test/v1", "spec.imagePullPolicy", "Always"),
        ("Database", "data.example.test/v1", "spec.imagePullSecrets[].kind", "x"),
    ],
)
def test_what_is_no_image_is_none(kind, version, path, value):
    parsed = manifests.parse(manifest(kind, version, path, value), source="x.yaml")
    assert parsed.uses == parsed.candidates == ()


def test_an_image_in_parts_or_beside_its_version_cannot_be_written():
    head = "apiVersion: d.test/v1\nkind: D\nmetadata: {name: x}\n"
    parts = f"{head}spec: {{image: {{registry: r.test, repository: a, tag: 1.0}}}}\n"
    (use,) = manifests.parse(parts, source="x.yaml").candidates
    assert (use.image, use.fixed, use.where) == ("r.test/a:1.0", True, "D x, spec.image")
    beside = manifest("ArgoCD", "argoproj.io/v1beta1", "spec.image", "quay.io/argo/argocd", ", version: v2.8")
    (use,) = manifests.parse(beside, source="x.yaml").candidates
    assert (use.image, use.fixed) == ("quay.io/argo/argocd", True)


@pytest.mark.parametrize("images", ["[%s, other]", "\n  - %s # kept\n  - other", '["%s", other]'])
def test_a_list_of_images_is_one_of_candidates_or_given_places(images):
    head = "apiVersion: data.example.test/v1\nkind: Database\nmetadata: {name: x}\nspec:\n  images: "
    text = head + images % OLD + "\n"
    parsed = manifests.parse(text, source="x.yaml")
    assert [(use.image, use.path) for use in parsed.candidates] == [
        (OLD, "spec.images[0]"),
        ("other", "spec.images[1]"),
    ]
    given = image_paths.parse_all(["Database.data.example.test=spec.images[]"])
    parsed = manifests.parse(text, source="x.yaml", image_paths=given)
    assert [use.image for use in parsed.uses] == [OLD, "other"]
    assert parsed.rewritten({OLD: NEW}) == text.replace(OLD, NEW)
    line = text[: text.index(OLD)].count("\n") + 1
    assert parsed.uses[0].line == line
    aliased = f"x: &x {OLD}\n{head}[*x]\n"
    assert manifests.parse(aliased, source="x.yaml").candidates == ()
    with pytest.raises(InputError, match="an alias"):
        manifests.parse(aliased, source="x.yaml", image_paths=given)


def test_a_mapping_of_images_has_candidates():
    text = "apiVersion: data.example.test/v1\nkind: Database\nmetadata: {name: x}\nspec: {sidecarImages: {proxy: %s}}\n"
    (use,) = manifests.parse(text % OLD, source="x.yaml").candidates
    assert (use.image, use.path, use.fixed) == (OLD, "spec.sidecarImages.proxy", False)


def test_an_image_in_the_parts_that_kustomize_has_cannot_be_written():
    head = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\nspec:\n"
    text = head + "  images:\n  - {name: app, newName: r.test/app, newTag: v1}\n  - {name: app, digest: sha256:1}\n"
    (use,) = manifests.parse(text, source="x.yaml").candidates
    assert (use.image, use.fixed, use.line, use.path) == ("r.test/app:v1", True, 6, "spec.images[app]")


def test_given_paths_come_first():
    text = manifest("Database", "data.example.test/v1", "spec.backups[].runner")
    assert manifests.parse(text, source="x.yaml").uses == ()
    given = image_paths.parse_all(["Database.data.example.test=spec.backups[].runner"])
    (use,) = manifests.parse(text, source="x.yaml", image_paths=given).uses
    assert (use.image, use.where) == (OLD, "Database x, container x")
    text = manifest("Task", "tekton.dev/v1", "spec.steps[].image")
    assert (
        manifests.parse(text, source="x.yaml", image_paths=image_paths.parse_all(["!*.tekton.dev=**.image"])).uses == ()
    )
    text = manifest("ConfigMap", "v1", "data.image")
    (use,) = manifests.parse(text, source="x.yaml", image_paths=image_paths.parse_all(["ConfigMap=data.image"])).uses
    assert use.image == OLD


def test_given_paths_of_kubernetes_own_kinds_leave_the_rest_as_it_is():
    given = image_paths.parse_all(["Pod=metadata.labels.sidecar"])
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {sidecar: 'r.test/b:1', image: x}}\n"
        "spec: {containers: [{name: c, image: '${IMAGE}'}], nodeName: x, debugImage: y:1}\n"
    )
    parsed = manifests.parse(text, source="x.yaml", image_paths=given)
    assert [(use.image, use.path) for use in parsed.uses] == [
        ("r.test/b:1", "metadata.labels.sidecar"),
        ("${IMAGE}", ""),
    ]
    assert parsed.candidates == ()


@pytest.mark.parametrize(
    "text", ["spec.image", "Task.tekton.dev", "Task.tekton.dev=", "=spec", "Task.x=a b", "T=a[0]", "!"]
)
def test_malformed_paths_name_the_input(text):
    with pytest.raises(InputError, match=r"image-paths: it has to be KIND\.GROUP=PATH"):
        image_paths.parse_all([text])


def test_any_depth_is_any_number_of_steps():
    given = image_paths.parse_all(["K.g.test=**.a.*[].image"])
    classifier = Classifier("g.test", "K", given)
    assert classifier.classify(("a", "b", "[]", "image")) is Certainty.IMAGE
    assert classifier.classify(("x", "[]", "a", "b", "[]", "image")) is Certainty.IMAGE
    assert classifier.classify(("a", "[]", "image")) is Certainty.CANDIDATE
    assert classifier.classify(("spec", "drain")) is Certainty.NONE
