"""Manifests as people and tools write them: with other images in them, every other character is as it was.

Each text is made twice, with the old image and with the new one in the same places: the second is what has to come out.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3c_actions.cluster import manifests

OLD = "registry.example:5000/shop/app:1.4"
NEW = "registry.example:5000/shop/app@sha256:" + "65a0dd9b" * 8

# What Helm writes: comments on where it comes from, quoted values, empty documents, a test hook, odd indentation.
HELM = """\
---
# Source: shop/templates/serviceaccount.yaml
apiVersion: v1
kind: ServiceAccount
metadata:
  name: release-name-shop
  labels:
    helm.sh/chart: shop-0.1.0
automountServiceAccountToken: true
---
# Source: shop/templates/empty.yaml

---
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: release-name-shop
  annotations:
    checksum/config: 2b1ff3a5   # registry.example:5000/shop/app:1.4 is not an image here
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: shop
          securityContext:
            {}
          image: "IMAGE"
          imagePullPolicy: IfNotPresent
          command: ["sh", "-c", 'echo "registry.example:5000/shop/app:1.4"']
          env:
            - {name: REFERENCE, value: 'registry.example:5000/shop/app:1.4'}
            - name: SCRIPT
              value: |
                image: registry.example:5000/shop/app:1.4
                  kept: as it is
            - name: FOLDED
              value: >-
                image:
                registry.example:5000/shop/app:1.4
---
# Source: shop/templates/tests/test-connection.yaml
apiVersion: v1
kind: Pod
metadata:
  name: "release-name-shop-test-connection"
  annotations:
    "helm.sh/hook": test
spec:
  containers:
    - name: wget
      image: IMAGE
      args: ['release-name-shop:80']
  restartPolicy: Never
"""

# What kustomize writes: sorted keys, lists not indented, no blank lines.
KUSTOMIZE = """\
apiVersion: v1
data:
  image: registry.example:5000/shop/app:1.4
kind: ConfigMap
metadata:
  name: config-5h2f
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
          - args:
            - --once
            image: IMAGE
            name: job
          initContainers:
          - image: IMAGE
            name: wait
          restartPolicy: Never
  schedule: 0 3 * * *
"""

# What `kubectl get -o yaml` and `-o json` write, and what people do with anchors.
LIST = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
  spec:
    containers:
    - image: IMAGE
      name: a
    ephemeralContainers:
    - image: IMAGE
      name: debugger
  status:
    containerStatuses:
    - image: registry.example:5000/shop/app:1.4
      imageID: registry.example:5000/shop/app@sha256:00
kind: List
metadata:
  resourceVersion: ""
"""
JSON = (
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","annotations":{"image":"registry.example:5000/shop/app:1.4"}},'
    '\n\t"spec":{"containers":[{"name":"a","image":"IMAGE","args":["\\u00e9\\n"]}]}}\n'
)
ANCHORS = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: &meta
  name: db   # the name, also below
  labels: &labels {app: db, "tier": 'data'}
spec:
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      x-defaults: &defaults
        imagePullPolicy: IfNotPresent
        resources: {limits: {cpu: 1, memory: 1Gi}}
      containers:
      - <<: *defaults
        name: db
        image: IMAGE
      - <<: [*defaults]
        image:    'IMAGE'      # two spaces and more
        name: "sidecar"
"""
LONG = f"""\
apiVersion: v1
kind: Pod
metadata:
  name: long
  annotations:
    one-line: "{"registry.example:5000/shop/app:1.4 " * 400}"
    plain: {"x" * 5000}
spec: {{containers: [{{name: a, args: [{", ".join(["registry.example:5000/shop/app:1.4"] * 300)}], image: IMAGE}}]}}
"""
CORPUS = {"helm": HELM, "kustomize": KUSTOMIZE, "list": LIST, "json": JSON, "anchors": ANCHORS, "long": LONG}


def rewritten(text: str) -> str:
    manifest = manifests.parse(text, source="app.yaml")
    return manifest.mark + manifest.rewritten({OLD: NEW})


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "bom"])
@pytest.mark.parametrize("name", CORPUS)
def test_only_the_images_change(name, mark, end):
    text = mark + CORPUS[name].replace("\n", end)
    assert rewritten(text.replace("IMAGE", OLD)) == text.replace("IMAGE", NEW)
    assert rewritten(text.replace("IMAGE", NEW)) == text.replace("IMAGE", NEW)


@pytest.mark.parametrize("name", CORPUS)
def test_the_objects_differ_in_their_images_alone(name):
    text = CORPUS[name]
    after = rewritten(text.replace("IMAGE", OLD))
    assert list(manifests.parse_objects(after, "app.yaml")) == list(
        manifests.parse_objects(text.replace("IMAGE", NEW), "app.yaml")
    )


WORDS = st.text("abc-é本 '\"#:{}[]&*!|>%\\", max_size=12)
COMMENTS = st.one_of(st.just(""), st.text("abc é本'\"#:{}[]&*@", max_size=20).map(lambda text: f"  # {text}".rstrip()))
STYLES = st.sampled_from(["@", "'@'", '"@"', "!!str @", "!!str '@'", "&own%d '@'", "&own%d @"])


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def containers(draw: st.DrawFn, number: int, indent: int) -> str:
    """One entry of a list of containers, in one of the ways YAML has for it; `@` where the image stands."""
    style = draw(STYLES)
    style = style % number if "%d" in style else style
    other = quoted(draw(WORDS).replace("@", "-"))
    pairs = draw(
        st.permutations([("image", style), ("name", f"c{number}"), ("workingDir", other), ("args", f"[{other}, x]")])
    )
    if draw(st.booleans()):
        space = draw(st.sampled_from([" ", "  "]))
        return "- {" + f",{space}".join(f"{key}: {value}" for key, value in pairs) + "}"
    lines = [f"{key}:{' ' * draw(st.integers(1, 3))}{value}{draw(COMMENTS).replace('@', '')}" for key, value in pairs]
    return "- " + f"\n{' ' * (indent + 2)}".join(lines)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A Deployment or a Pod, with `@` where an image stands."""
    step = draw(st.sampled_from([1, 2, 4]))
    count = draw(st.integers(1, 3))
    deep = draw(st.booleans())
    depth = 3 * step if deep else step
    inner = " " * depth
    listed = "".join(f"{inner}{draw(containers(n, depth))}\n" for n in range(count))
    comment = draw(COMMENTS).strip().replace("@", "")
    pod = f"{inner}restartPolicy: Always{draw(COMMENTS).replace('@', '')}\n{inner}containers:\n{listed}"
    head = f"{comment}\nkind: {'Deployment' if deep else 'Pod'}\napiVersion: v1\nmetadata: {{name: x}}\n"
    if deep:
        return head + f"spec:\n{' ' * step}template:\n{' ' * (2 * step)}spec:\n{pod}"
    return head + f"spec:\n{pod}"


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(
    st.lists(documents(), min_size=1, max_size=3),
    st.sampled_from(["---\n", "--- # next\n", "...\n---\n", "---\n# nothing\n---\n"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\ufeff"]),
)
def test_whatever_is_around_them(parts, between, end, mark):
    text = mark + between.join(parts).replace("\n", end)
    assert rewritten(text.replace("@", OLD)) == text.replace("@", NEW)
