"""Images in manifests: found wherever a Pod template hides, replaced, and nothing else touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions.cluster import hooks, image_paths, manifests
from s3c_actions.cluster.mentions import find_mentions
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference

DIGEST = "sha256:" + "65a0dd9b" * 8


def pod(indent: int, image: str = "registry.example:5000/app:1.4") -> str:
    text = f"""spec:
  containers:
    - name: web
      image: {image}
"""
    return "".join(" " * indent + line for line in text.splitlines(keepends=True))


KINDS = {
    "Pod": "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n" + pod(0),
    "PodTemplate": "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: x}\ntemplate:\n" + pod(2),
    **{
        kind: f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n  template:\n" + pod(4)
        for kind, version in {
            "Deployment": "apps/v1",
            "StatefulSet": "apps/v1",
            "DaemonSet": "apps/v1",
            "ReplicaSet": "apps/v1",
            "ReplicationController": "v1",
            "Job": "batch/v1",
            "Rollout": "argoproj.io/v1alpha1",
        }.items()
    },
    "CronJob": "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\n"
    "spec:\n  jobTemplate:\n    spec:\n      template:\n" + pod(8),
}


def parse(text: str) -> manifests.ManifestFile:
    return manifests.parse(text, source="app.yaml")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_makes_pods(kind):
    text = KINDS[kind]
    manifest = parse(text)
    assert [(use.kind, use.name, use.container, use.image) for use in manifest.uses] == [
        (kind, "x", "web", "registry.example:5000/app:1.4")
    ]
    pinned = f"registry.example:5000/app@{DIGEST}"
    after = manifest.rewritten({"registry.example:5000/app:1.4": pinned})
    assert after == text.replace("registry.example:5000/app:1.4", pinned)
    assert text.splitlines()[manifest.uses[0].line - 1].endswith("app:1.4")


def test_init_ephemeral_and_volume_images():
    text = """apiVersion: v1
kind: Pod
metadata: {name: x, namespace: shop}
spec:
  initContainers: [{name: a, image: init:1}]
  containers: [{name: b, image: main:1}]
  ephemeralContainers: [{name: c, image: debug:1}]
  volumes: [{name: d, image: {reference: data:1}}, {name: e, emptyDir: {}}]
"""
    assert [(use.container, use.image, use.namespace) for use in parse(text).uses] == [
        ("a", "init:1", "shop"),
        ("b", "main:1", "shop"),
        ("c", "debug:1", "shop"),
        ("d", "data:1", "shop"),
    ]


def test_lists_and_several_documents():
    items = "".join(f"- {line}" if not n else f"  {line}" for n, line in enumerate(KINDS["Pod"].splitlines(True)))
    text = f"# first\n---\n{KINDS['Job']}---\n# nothing here\n---\napiVersion: v1\nkind: List\nitems:\n{items}...\n"
    assert [use.kind for use in parse(text).uses] == ["Job", "Pod"]
    assert [document["kind"] for document in manifests.parse_objects(text, "app.yaml")] == ["Job", "Pod"]


ODD = """\
# A comment with image: app:1\r
%s\r
kind: Pod\r
metadata: {name: x, annotations: {note: 'image: app:1'}}\r
x-base: &base {image: app:1,   imagePullPolicy: Always}\r
x-name: &name 'app:1'\r
spec:\r
    containers:\r
    -   <<: *base\t# tab and comment\r
        name: merged\r
    - {name: alias, image: *name}\r
    - name: tagged\r
      image:  !!str &own "app:1"   # é, trailing blanks  \r
    - {"name":"json","image":"app:1"}\r
    - image: app:1\r
      name: last\r
"""


def test_everything_else_stays_as_it_was():
    text = ODD % "apiVersion: v1"
    new = f"acr.example/app@{DIGEST}"
    after = parse(text).rewritten({"app:1": new})
    changed = [(old, now) for old, now in zip(text.splitlines(True), after.splitlines(True), strict=True) if old != now]
    assert changed == [
        (old, old.replace(was, new))
        for old, was in zip(
            [change[0] for change in changed], ["app:1", "*name", "app:1", "app:1", "app:1"], strict=True
        )
    ]
    (document,) = manifests.parse_objects(after, "app.yaml")
    assert {container["image"] for container in document["spec"]["containers"]} == {new}
    assert document["x-name"] == "app:1", "what an alias stands for elsewhere is not changed"
    assert after.startswith("# A comment with image: app:1\r\n")


def test_a_byte_order_mark_and_line_ends_survive():
    text = "\ufeff" + KINDS["Pod"].replace("\n", "\r\n")
    manifest = parse(text)
    assert manifest.mark + manifest.rewritten({}) == text
    assert manifest.mark + manifest.rewritten({"registry.example:5000/app:1.4": "new:2"}) == text.replace(
        "registry.example:5000/app:1.4", "new:2"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("head", [">-", "|-", "|", ">", "|2-", ">- # why"])
def test_a_block_scalar_is_replaced_whole(head, end):
    lines = f"      image: {head}\n        registry.example:5000/app:1.4\n\n      args: [x]\n"
    text = KINDS["Pod"].replace("      image: registry.example:5000/app:1.4\n", lines).replace("\n", end)
    (use,) = parse(text).uses
    assert use.image == "registry.example:5000/app:1.4"
    comment = head.partition("-")[2].lstrip("-") if "#" in head else ""
    after = parse(text).rewritten({use.image: "new:2"})
    old = lines[: lines.index("\n\n")].replace("\n", end).partition("image: ")[2]
    assert after == text.replace(old, f"new:2{comment}")
    (document,) = manifests.parse_objects(after, "app.yaml")
    assert document["spec"]["containers"][0] == {"name": "web", "image": "new:2", "args": ["x"]}


@pytest.mark.parametrize("blank", ['""', "''", '" "'])
@pytest.mark.parametrize("kind", ["Deployment", "CronJob", "Rollout"])
def test_an_image_that_is_filled_in_later_is_left(kind, blank):
    text = KINDS[kind].replace("registry.example:5000/app:1.4", blank)
    manifest = parse(text)
    assert manifest.uses == ()
    assert [(use.image, use.fixed) for use in manifest.candidates] == [("", True)]
    assert manifest.rewritten({"": "new:2"}) == text


def test_json_objects_one_after_another():
    template = (
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"NAME","annotations":{"a":"\\ud83d\\ude00"}},'
        '"spec":{"containers":[{"name":"a","image":"app:1"}]}}'
    )
    text = "\n" + "\n".join(template.replace("NAME", name) for name in "abc") + "\n"
    manifest = parse(text)
    assert [(use.line, use.name) for use in manifest.uses] == [(2, "a"), (3, "b"), (4, "c")]
    assert manifest.rewritten({"app:1": "new:2"}) == text.replace("app:1", "new:2")
    objects = list(manifests.parse_objects(text, "app.json"))
    assert [item["metadata"] for item in objects] == [
        {"name": name, "annotations": {"a": "\N{GRINNING FACE}"}} for name in "abc"
    ]
    with pytest.raises(InputError, match=r"app\.yaml, line 3: this Pod has no name"):
        parse(text.replace('"name":"b"', '"label":"b"'))


HOOK = (
    "apiVersion: v1\nkind: %s\nmetadata: {name: x, annotations: {%s}}\nspec: {containers: [{name: a, image: app:1}]}\n"
)


@pytest.mark.parametrize(
    ("annotation", "applied"),
    [
        ("helm.sh/hook: test", False),
        ('"helm.sh/hook": test-success', False),
        ("helm.sh/hook: pre-delete", False),
        ('helm.sh/hook: "post-delete, pre-rollback"', False),
        ("helm.sh/hook: post-rollback", False),
        ("argocd.argoproj.io/hook: SyncFail", False),
        ("helm.sh/hook: pre-install", True),
        ("helm.sh/hook: post-upgrade", True),
        ('helm.sh/hook: "pre-upgrade,test"', True),
        ("argocd.argoproj.io/hook: PreSync", True),
        ('helm.sh/hook: ""', None),
        ("helm.sh/hook-weight: 1", None),
    ],
)
def test_hooks_of_helm_and_argo(annotation, applied):
    text = HOOK % ("Pod", annotation)
    manifest = parse(KINDS["Job"] + "---\n" + text + "---\n" + KINDS["Pod"])
    left_out = applied is False
    assert len(manifest.uses) == 3 - left_out
    assert len(manifest.hook_uses) == len(manifest.left_out) == left_out
    assert len(manifest.applied_hooks) == (applied is True)
    (document,) = manifests.parse_objects(text, "x.yaml")
    assert hooks.is_applied(document) is not left_out
    after = manifest.rewritten({}, without_hooks=True)
    assert [item["kind"] for item in manifests.parse_objects(after, "x.yaml")] == ["Job", "Pod", "Pod"][: 3 - left_out]
    assert manifest.rewritten({}) == manifest.text
    assert ("is left out" in after) is left_out


def test_an_annotation_without_a_value_makes_no_hook():
    item = "- apiVersion: v1\n  kind: Pod\n  metadata: {name: x, annotations: {helm.sh/hook: VALUE}}\n"
    item += "  spec: {containers: [{name: c, image: r.test/x:1}]}\n"
    for value in ("null", "~", "", "''"):
        manifest = parse("apiVersion: v1\nkind: List\nitems:\n" + item.replace("VALUE", value))
        (document,) = manifests.parse_objects(manifest.text, "app.yaml")
        assert hooks.is_applied(document)
        assert [use.image for use in manifest.uses] == ["r.test/x:1"]
        assert not manifest.hook_uses


def test_a_hook_of_a_hostile_name_stays_a_comment():
    text = HOOK % ("Pod", 'helm.sh/hook: "test\\nkind: Secret"')
    after = parse(KINDS["Job"] + "---\n" + text).rewritten({}, without_hooks=True)
    assert after.startswith(KINDS["Job"] + "---\n# Pod x (helm.sh/hook: test?kind: Secret) is left out")


def test_hooks_in_lists_and_json_are_left_out_too():
    item = "- apiVersion: v1\n  kind: Pod\n  metadata: {name: x, annotations: {helm.sh/hook: test}}\n"
    manifest = parse("apiVersion: v1\nkind: List\nitems:\n" + item + item.replace("test", "pre-install"))
    assert [hook.line for hook in manifest.left_out] == [4]
    assert manifest.rewritten({}, without_hooks=True) == manifest.text
    template = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","annotations":{"helm.sh/hook":"HOOK"}}}'
    manifest = parse(template.replace("HOOK", "test") + "\n" + template.replace("HOOK", "pre-install"))
    assert manifest.rewritten({}, without_hooks=True) == "\n" + template.replace("HOOK", "pre-install")


def test_given_images_are_reported_where_they_stay_by_tag():
    text = KINDS["Pod"] + (
        "      env: [{name: A, value: 'r.test/app:1'}]\n"
        "      args: ['--image=r.test/app:2', 'r.test/app@sha256:00', 'r.test/app/other:1', 'x.r.test/app:1']\n"
        "# r.test/app:3\n"
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {x: 'image: r.test/app:4'}\n"
        "---\n" + HOOK.replace("app:1", "r.test/app:5") % ("Pod", "helm.sh/hook: test")
    )
    names = [Reference.parse("r.test/app"), Reference.parse("nginx")]
    mentions = find_mentions(parse(text), names)
    assert [(use.image, use.where) for use in mentions] == [
        ("r.test/app:1", "Pod x, spec.containers[].env[].value"),
        ("r.test/app:2", "Pod x, spec.containers[].args[]"),
        ("r.test/app/other:1", "Pod x, spec.containers[].args[]"),
        ("x.r.test/app:1", "Pod x, spec.containers[].args[]"),
        ("r.test/app:4", "ConfigMap c, data.x"),
    ]
    excluded = image_paths.parse_all(["!ConfigMap=data.*", "!Pod=spec.containers[].env[].value"])
    assert [use.image for use in find_mentions(parse(text), names, excluded)] == [
        "r.test/app:2",
        "r.test/app/other:1",
        "x.r.test/app:1",
    ]


@pytest.mark.parametrize(
    ("place", "image"),
    [
        ("env: [{name: A, value: 'r.test/app:1'}]", "r.test/app:1"),
        ("env: [{name: RELATED_IMAGE_PROXY, value: 'proxy:1'}]", "proxy:1"),
        ("env: [{name: PROXY_IMAGE, value: ' r.test/proxy:1 '}]", "r.test/proxy:1"),
        ("args: ['--reloader=r.test/reloader:1']", "r.test/reloader:1"),
        ("args: [serve, 'IMAGE=localhost/a/b:1']", "localhost/a/b:1"),
        ("command: ['r:5000/a:1']", "r:5000/a:1"),
        ("env: [{name: URL, value: 'docker://r.test/disk:1'}]", "r.test/disk:1"),
        ("env: [{name: PROXY_IMAGE, value: 'r.test/proxy@sha256:%s'}]" % ("0" * 64), ""),
        (
            "env: [{name: PROXY, value: 'proxy:1'}, {name: PROXY_IMAGE, value: 'true'}, {name: X_IMAGE, value: 'A:1'}]",
            "",
        ),
        ("args: ['http://r.test/app:1', 'oci://r.test/app:1', '--x=r.test/App:1', 'see r.test/app:1', 'a/b:1']", ""),
        ("args: ['--register-with-taints=node.test/x:NoSchedule', 'r.test/a:1/b', 'r.test:80', 'git@r.test/a:b']", ""),
    ],
)
def test_images_by_tag_are_reported_where_nothing_is_replaced(place, image):
    manifest = parse(KINDS["Pod"] + f"      {place}\n")
    assert [use.image for use in find_mentions(manifest, [])] == [image] * bool(image)
    data = parse(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {a: 'r.test/a:1'}}\n"
        "data: {i: 'r.test/a:1'}\n"
    )
    assert [use.where for use in find_mentions(data, [])] == ["ConfigMap c, data.i"]


@pytest.mark.parametrize(
    "text",
    [
        "containers: [{name: a, image: 'r.test/app:1', env: [{name: A, value: 'r.test/app:1'}]}]",
        "containers: [{name: a, env: [{name: A, value: 'r.test/app:1'}], image: !!str r.test/app:1}]",
    ],
)
def test_an_image_by_tag_is_reported_beside_the_same_on_its_line(text):
    manifest = parse(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec: {{{text}}}\n")
    for names in ([], [Reference.parse("r.test/app")]):
        assert [use.where for use in find_mentions(manifest, names)] == ["Pod x, spec.containers[].env[].value"]


def test_an_image_that_aliases_stand_for_is_reported_once_and_not_where_it_is_replaced():
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {a: &i 'r.test/app:1'}}\n"
        "spec: {containers: [{name: a, image: *i, env: [{name: A, value: *i}]}]}\n"
    )
    assert [use.where for use in find_mentions(parse(text), [Reference.parse("r.test/app")])] == [
        "Pod x, metadata.annotations.a"
    ]
    assert [use.where for use in find_mentions(parse(text), [])] == ["Pod x, spec.containers[].env[].value"]


@pytest.mark.parametrize("written", ["oci://r.test/app:1", "docker://r.test/app:1", "r.test/app=r.test/app:1"])
def test_a_given_image_is_reported_behind_a_scheme_or_a_name(written):
    text = (
        f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: x}}\nspec: {{images: [{written}]}}\n"
    )
    assert [use.image for use in find_mentions(parse(text), [Reference.parse("r.test/app")])] == ["r.test/app:1"]


def test_an_address_in_brackets_is_quoted():
    after = parse(KINDS["Pod"]).rewritten({"registry.example:5000/app:1.4": f"[::1]:5000/app@{DIGEST}"})
    (document,) = manifests.parse_objects(after, "app.yaml")
    assert document["spec"]["containers"][0]["image"] == f"[::1]:5000/app@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("kind: Pod\napiVersion: v1\nmetadata: {name: x}\n spec: {}\n", 4, "not valid YAML"),
        ("a: \x07\n", 1, "not valid YAML"),
        ("a: b\n", 1, "no kind"),
        ("kind: Pod\n", 1, "no apiVersion"),
        ("- a\n", 1, "a list"),
        ("hello\n", 1, "the text 'hello'"),
        ("kind: Pod\napiVersion: v1\n", 1, "has no name"),
        (
            "kind: Pod\napiVersion: v1\nmetadata: {name: x}\nspec:\n  containers:\n  - name: c\n",
            6,
            "container c has no image",
        ),
        (KINDS["Pod"].replace("apiVersion: v1", "apiVersion: kustomize.config.k8s.io/v1"), 1, "kubectl kustomize"),
        (KINDS["Pod"] + "      image: other:1\n", 8, "stands twice"),
        (KINDS["Pod"].replace("image: ", "image: &i ") + "      args: [*i]\n", 8, "would change with it"),
        (KINDS["Pod"] + "      <<: {command: [a]}\n      <<: {image: other:1}\n", 9, "`<<` stands twice"),
        (KINDS["Pod"] + "  !!binary aW5pdENvbnRhaW5lcnM=: [{name: i, image: o}]\n", 8, "a key is written in base64"),
        (KINDS["Pod"].replace("image: r", "image: !!binary r"), 7, "the image is written in base64"),
        ("apiVersion: v1\nkind: !!binary TGlzdA==\nmetadata: {name: x}\nitems: []\n", 2, "kind is written in base64"),
        ("{{ if .Values.x }}\nkind: Pod\n{{ end }}\n", 1, "template of Helm's"),
        ("kind: List\napiVersion: v1\nitems: [&a {kind: List, apiVersion: v1, items: [*a]}]\n", 3, "contains itself"),
        ("[" * 100_000, 1, "levels deep"),
        ("- " * 100_000 + "a", 1, "levels deep"),
    ],
)
def test_bad_input_names_file_and_line(text, line, message):
    with pytest.raises(InputError) as error:
        parse(text)
    assert error.value.field == "manifests"
    assert f"app.yaml, line {line}:" in str(error.value)
    assert message in str(error.value)


def test_brackets_in_comments_are_no_depth():
    assert parse("# " + "[" * 1000 + "\n" + KINDS["Pod"]).uses


def test_aliases_of_aliases_end():
    bomb = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\na0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    with pytest.raises(InputError, match="larger than any object"):
        parse(bomb)
    with pytest.raises(InputError, match="larger than any object"):
        list(manifests.parse_objects(bomb, "bomb.yaml"))


def test_values_are_those_the_api_server_reads():
    values = "[2024-01-01, 12:30, 0644, 1e3, .5, 1.5, 0x1f, yes, ~, 08, 1_0]"
    text = f"apiVersion: v1\nkind: X\nmetadata: {{name: a}}\nv: {values}\n"
    (document,) = manifests.parse_objects(text, "x.yaml")
    assert document["v"] == ["2024-01-01", "12:30", 420, 1000.0, 0.5, 1.5, 31, True, None, 8, 10]


def test_a_key_twice_is_reported_wherever_it_stands():
    with pytest.raises(InputError, match=r"x\.yaml, line 4: .*'a' stands twice"):
        list(manifests.parse_objects("apiVersion: v1\nkind: X\nmetadata: {name: a}\nspec: {a: 1, a: 2}\n", "x.yaml"))


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def nothing() -> bytes:
    raise AssertionError("standard input is not asked for")


def test_files_folders_globs_and_stdin(tmp_path):
    write(tmp_path, k8s__a_yaml=KINDS["Pod"], k8s__sub__b_yml=KINDS["Job"], k8s__note_txt="no", c_yaml=KINDS["CronJob"])
    write(tmp_path, **{"k8s__.git__d_yaml": "no: manifest"})
    read = manifests.read(["k8s", "*.yaml", "k8s/**/*.yml", "-"], cwd=tmp_path, stdin=KINDS["Pod"].encode)
    assert [manifest.source for manifest in read] == ["k8s/a.yaml", "k8s/sub/b.yml", "c.yaml", "<stdin>"]
    assert [str(manifest.relative) for manifest in read] == ["a.yaml", "sub/b.yml", "c.yaml", "stdin.yaml"]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("**/*.yaml", ["a/b/three.yaml", "a/two.yaml", "one.yaml"]),
        ("**", ["a/b/three.yaml", "a/two.yaml", "one.yaml"]),
        ("**/**/**/three.y*", ["a/b/three.yaml"]),
        ("a/**.yaml", ["a/two.yaml"]),
        ("*/*.yaml", ["a/two.yaml"]),
        (".*/*.yaml", [".hidden/four.yaml"]),
        ("a/../on[ef].yaml", ["a/../one.yaml"]),
    ],
)
def test_a_pattern_matches_as_in_a_shell(tmp_path, pattern, matched):
    names = {f"{name}_yaml": KINDS["Pod"] for name in ("one", "a__two", "a__b__three", ".hidden__four")}
    write(tmp_path, **names)
    (tmp_path / "linked").symlink_to("a")
    for sources, cwd in (([pattern], tmp_path), ([str(tmp_path / pattern)], tmp_path.parent)):
        files = manifests.read(sources, cwd=cwd, stdin=nothing)
        assert [str(file.path.relative_to(tmp_path)) for file in files if file.path] == matched


def test_what_lies_above_the_folder_is_written_by_its_name_alone(tmp_path):
    write(tmp_path, k__app_yaml=KINDS["Pod"])
    (tmp_path / "run").mkdir()
    (file,) = manifests.read(["../k/*.yaml"], cwd=tmp_path / "run", stdin=nothing)
    assert str(file.relative) == "app.yaml"


def test_links_of_folders_to_themselves_end(tmp_path):
    write(tmp_path, app_yaml=KINDS["Pod"])
    for name in ("here", "there"):
        (tmp_path / name).symlink_to(".")
    (file,) = manifests.read(["**/*.yaml"], cwd=tmp_path, stdin=nothing)
    assert file.source == "app.yaml"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "there are no manifests"),
        (["absent.yaml"], "is not there"),
        (["*.json"], "matches no file"),
        (["empty"], "no .yaml"),
        (["blank.yaml"], "there are no manifests"),
        (["comments.yaml"], "comments alone"),
        (["base"], "kubectl kustomize base"),
        (["tree"], "kubectl kustomize tree/base"),
        (["tree/base/kustomization.yaml"], "kubectl kustomize tree/base"),
        (["latin.yaml"], "line 2: it is not UTF-8"),
    ],
)
def test_what_cannot_be_read(tmp_path, sources, message):
    (tmp_path / "empty").mkdir()
    write(tmp_path, blank_yaml="\n", comments_yaml="# a\n---\n---\n# b\n", base__kustomization_yaml="resources: []\n")
    write(tmp_path, tree__base__kustomization_yaml="resources: [app.yaml]\n", tree__base__app_yaml=KINDS["Pod"])
    (tmp_path / "latin.yaml").write_bytes(b"# one\n# \xe9\n")
    with pytest.raises(InputError, match=r"manifests: ") as error:
        manifests.read(sources, cwd=tmp_path, stdin=nothing)
    assert message in str(error.value)
