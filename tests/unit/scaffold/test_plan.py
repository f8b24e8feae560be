"""Which files fit a repository, and what they say."""

import re
from dataclasses import dataclass

import pytest

from s3c_actions.policy import model
from s3c_actions.policy.finding_rules import FindingRules
from s3c_actions.scaffold import inspection, plan
from s3c_actions.scaffold.inspection import Dockerfile
from s3c_actions.scaffold.plan import Signer
from s3c_actions.scaffold.rendering import Pin
from tests.support import repositories
from tests.support.sources import parse_yaml

PIN = Pin(commit="1" * 40)
KEY = Signer(certificate="keys/signing.crt")


@dataclass
class Planned:
    files: dict[str, str]
    notes: tuple[str, ...]
    steps: tuple[str, ...] = ()

    def workflow(self, name):
        return parse_yaml(self.files[f".github/workflows/{name}.yml"])


def planned(name, tmp_path, signer=Signer(), **given):  # noqa: B008
    proposal = plan.make_plan(inspection.inspect(repositories.write(name, tmp_path / name)), signer, PIN, **given)
    return Planned({file.path: file.text for file in proposal.files}, proposal.notes, proposal.steps)


SETTINGS = {"s3c-policy.yaml", ".trivyignore.yaml"}


@pytest.mark.parametrize(
    ("name", "signer", "names"),
    [
        ("plain", Signer(), {"images", "comment"}),
        ("plain", KEY, {"images", "comment", "release"}),
        ("monorepo", KEY, {"images", "comment", "release"}),
        ("kustomize", KEY, {"refresh"}),
        ("chart", Signer(), {"images", "comment", "refresh"}),
        ("compose", Signer(), {"images", "comment", "refresh"}),
        ("ecr", Signer(), {"images", "comment"}),
        ("ecr", KEY, {"images", "comment", "release"}),
        ("ghcr", KEY, {"images", "comment", "release"}),
        ("no-remote", KEY, {"images", "comment"}),
        ("develop", KEY, {"images", "comment"}),
    ],
)
def test_the_workflows_that_fit(name, signer, names, tmp_path):
    settings = SETTINGS if "images" in names else {"s3c-policy.yaml"}
    assert (
        planned(name, tmp_path, signer).files.keys()
        == {f".github/workflows/s3c-{workflow}.yml" for workflow in names} | settings
    )


def test_the_branch_and_the_images_are_the_repositorys(tmp_path):
    proposal = planned("develop", tmp_path / "first")
    assert proposal.workflow("s3c-images")["on"]["push"]["branches"] == ["develop"]
    proposal = planned("develop", tmp_path, KEY, prefix="registry.example/shop")
    assert proposal.workflow("s3c-images")["on"] == {"pull_request": None}
    assert proposal.workflow("s3c-release")["on"]["push"]["branches"] == ["develop"]
    assert proposal.workflow("s3c-release")["jobs"]["image"]["strategy"]["matrix"]["include"] == [
        {"name": "shop", "image": "registry.example/shop", "context": ".", "file": "./Containerfile"}
    ]


def test_images_of_a_monorepo_have_a_repository_each(tmp_path):
    proposal = planned("monorepo", tmp_path, KEY)
    assert {
        entry["image"] for entry in proposal.workflow("s3c-release")["jobs"]["image"]["strategy"]["matrix"]["include"]
    } == {
        "ghcr.io/acme/shop/api",
        "ghcr.io/acme/shop/web",
        "ghcr.io/acme/shop/worker-worker",
    }


def test_an_image_that_is_built_here_is_not_refreshed(tmp_path):
    images = planned("chart", tmp_path).workflow("s3c-refresh")["jobs"]["refresh"]["with"]["images"]
    assert images.split() == ["quay.io/prometheus/statsd-exporter:v0.28.0"]


def test_a_vault_signs_without_a_secret_and_the_policy_trusts_it(tmp_path):
    signer = Signer(vault="kv-shop", vault_certificate="signing")
    proposal = planned("plain", tmp_path, signer, prefix="shop.azurecr.io/shop")
    job = proposal.workflow("s3c-release")["jobs"]["image"]
    assert (job["with"]["vault"], job["with"]["vault-certificate"], "secrets" in job) == ("kv-shop", "signing", False)
    (trusted,) = model.parse(proposal.files["s3c-policy.yaml"]).signers
    assert trusted.certificate == "https://kv-shop.vault.azure.net/certificates/signing"
    names = "AZURE_TENANT_ID, AZURE_CLIENT_ID_SIGN and AZURE_CLIENT_ID_PUSH"
    assert proposal.steps == (f"Set the variables {names} of the repository.",)


ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def test_amazons_registry_is_pushed_to_by_a_role_and_not_by_a_stored_password(tmp_path):
    proposal = planned("ecr", tmp_path, KEY)
    jobs = proposal.workflow("s3c-release")["jobs"]
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert jobs["image"]["environment"] == "signing"
    steps = {step["uses"].partition("@")[0]: step.get("with", {}) for step in jobs["image"]["steps"]}
    assert steps["aws-actions/configure-aws-credentials"] == {
        "role-to-assume": "${{ vars.AWS_ROLE }}",
        "aws-region": "eu-central-1",
    }
    assert steps["aws-actions/amazon-ecr-login"] == {"registries": "123456789012"}
    assert jobs["image"]["strategy"]["matrix"]["include"][0]["image"] == f"{ECR}/shop"
    assert "REGISTRY_PASSWORD" not in proposal.files[".github/workflows/s3c-release.yml"]
    (step,) = proposal.steps
    assert "repo:acme/shop:environment:signing" in step
    assert "may push to shop," in step
    assert not [note for note in proposal.notes if "image-prefix" in note]


@pytest.mark.parametrize(
    ("prefix", "region"),
    [
        (f"{ECR}/team/shop", "eu-central-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/shop", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/shop", "cn-north-1"),
        ("123.dkr.ecr.eu-central-1.amazonaws.com/shop", ""),
        (f"{ECR}.example/shop", ""),
        ("public.ecr.aws/acme/shop", ""),
    ],
)
def test_amazons_registry_is_known_by_its_whole_name(prefix, region, tmp_path):
    steps = [
        step
        for job in planned("plain", tmp_path, KEY, prefix=prefix).workflow("s3c-release")["jobs"].values()
        for step in job.get("steps", ())
    ]
    regions = [step["with"]["aws-region"] for step in steps if "aws-region" in step.get("with", {})]
    assert regions == ([region] if region else [])


def test_a_vault_signs_for_amazons_registry(tmp_path):
    signer = Signer(vault="kv-shop", vault_certificate="signing")
    proposal = planned("ecr", tmp_path, signer)
    inputs = proposal.workflow("s3c-release")["jobs"]["image"]["steps"][-1]["with"]
    assert (inputs["vault"], inputs["client-id"]) == ("kv-shop", "${{ vars.AZURE_CLIENT_ID_SIGN }}")
    assert not {"key-pem", "certificate"} & set(inputs)
    azure, aws = proposal.steps
    assert azure == "Set the variables AZURE_TENANT_ID and AZURE_CLIENT_ID_SIGN of the repository."
    assert "AWS_ROLE" in aws


@pytest.mark.parametrize(
    "tags",
    [
        f"{ECR}/shop:1,{ECR}/other:1",  # which of them is not known
        "${{ steps.ecr.outputs.registry }}/shop:1",
        "shop:1",
    ],
)
def test_where_a_workflow_pushes_is_not_guessed(tags, tmp_path):
    folder = repositories.write("ecr", tmp_path / "ecr")
    workflow = folder / ".github" / "workflows" / "build.yml"
    workflow.write_text(re.sub(r'tags: "[^"]*"', f'tags: "{tags}"', workflow.read_text()))
    proposal = plan.make_plan(inspection.inspect(folder), KEY, PIN)
    assert not any(file.path.endswith("s3c-release.yml") for file in proposal.files)
    assert any("give `image-prefix`" in note for note in proposal.notes)


@pytest.mark.parametrize("signer", [Signer(), KEY])
def test_the_policy_is_one(signer, tmp_path):
    text = planned("plain", tmp_path, signer).files["s3c-policy.yaml"]
    policy = model.parse(text)
    assert policy.findings == FindingRules(refuse=("CRITICAL",), fixable_only=True)
    assert [trusted.certificate for trusted in policy.signers] == ([signer.certificate] if signer.certificate else [])
    assert text.startswith(f"# yaml-language-server: $schema={plan.SCHEMA_URL}\n")
    # The example is one, too.
    example = re.sub(r"(?m)^# (?=exceptions:|  )", "", text)
    assert model.parse(example).exceptions[0].package == "zlib1g"


def test_an_ignore_file_that_is_there_is_used(tmp_path):
    proposal = planned("plain", tmp_path, ignore_file=".trivyignore")
    assert ".trivyignore.yaml" not in proposal.files
    assert proposal.workflow("s3c-images")["jobs"]["scan"]["steps"][-1]["with"]["ignore-files"] == ".trivyignore"


def test_the_workflow_that_comments_names_the_one_that_scans(tmp_path):
    proposal = planned("plain", tmp_path)
    assert proposal.workflow("s3c-comment")["on"]["workflow_run"]["workflows"] == [
        proposal.workflow("s3c-images")["name"]
    ]


def test_what_a_stranger_named_is_no_expression_and_no_line_of_its_own(tmp_path):
    proposal = planned("hostile", tmp_path, KEY)
    for path, text in proposal.files.items():
        assert "github.token" not in text.replace("secrets.GITHUB_TOKEN", ""), path
        assert "hunter2" not in text
    include = proposal.workflow("s3c-images")["jobs"]["build"]["strategy"]["matrix"]["include"]
    files = {entry["file"] for entry in include}
    assert {'./say "hi"/Dockerfile', "./it's/Dockerfile", "./a: b # c/Dockerfile", "./true/Dockerfile"} <= files
    assert all(re.fullmatch(r"[a-z0-9-]+", entry["name"]) for entry in include)
    assert len({entry["name"] for entry in include}) == len(include)
    assert all(entry["context"].startswith("./") or entry["context"] == "." for entry in include)
    assert "hunter2" not in "".join(proposal.notes)


@pytest.mark.parametrize(
    "bad", ["a\nb", "${{ github.token }}", "a,b", "\x1b[31m", "a\u202eb", "x" * 300, " a", "a\\b", "\ud800"]
)
def test_a_name_that_a_workflow_cannot_carry_is_left_out_and_reported(bad):
    notes: list[str] = []
    dockerfile = Dockerfile(path=f"{bad}/Dockerfile", context=bad)
    assert plan.name_images([dockerfile, Dockerfile(path="ok/Dockerfile", context="ok")], "", notes)[0].name == "ok"
    (note,) = notes
    assert note.isprintable()


def test_no_more_images_than_a_matrix_has_jobs():
    notes: list[str] = []
    many = [Dockerfile(path=f"{number}/Dockerfile", context=str(number)) for number in range(300)]
    assert len(plan.name_images(many, "", notes)) == plan.MAX_IMAGES == 256
    assert notes == ["Of 300 Dockerfiles, the first 256 are built: GitHub runs no more at once."]
