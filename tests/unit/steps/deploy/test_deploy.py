"""What a deployment writes, whatever becomes of it afterwards."""

from __future__ import annotations

from s3c_actions.cluster import manifests
from s3c_actions.cluster.images import Replacement
from s3c_actions.core.progress import Silent
from s3c_actions.steps.deploy import deploy
from s3c_actions.steps.deploy.settings import DeploySettings, DeployTools
from tests.unit.steps.deploy.test_images import APP, POD, render, written


def test_hooks_are_left_out_of_what_is_verified_and_written(tmp_path):
    hook = POD.replace("name: p", "name: t, annotations: {helm.sh/hook: test}").replace("IMAGE", "busybox")
    result = render(tmp_path, POD.replace("IMAGE", "r.test/app:1") + hook, APP)
    assert [admission.reference for admission in result.admissions] == [APP]
    assert result.warnings == ("app.yaml, line 6: Pod t (helm.sh/hook: test) is left out.",)
    assert "busybox" not in written(result)


def test_manifests_of_one_name_are_written_beside_each_other(tmp_path):
    files = tuple(manifests.parse(POD.replace("IMAGE", "r.test/app:1"), source="app.yaml") for _ in range(3))
    settings = DeploySettings(manifests=files, replacements=(Replacement.parse(APP),), output=tmp_path)
    tools = DeployTools(resolve=None, verify=None, signatures=lambda _: (), cluster=None, progress=Silent())
    result, verified = deploy.run(settings, tools)
    assert [path.name for path in result.manifests] == ["app.yaml", "app-2.yaml", "app-3.yaml"]
    assert all(APP in path.read_text() for path in result.manifests)
    assert verified == {}
    (warning,) = result.warnings
    assert "left to the cluster's gate" in warning
