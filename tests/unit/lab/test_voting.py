"""The voting app's manifests fit each other, the workshop and the infrastructure: one namespace, one Gateway."""

import re

import ruamel.yaml

from s3c_lab.voting import MANIFESTS, NAMESPACE, rendered
from tests.support import ROOT

YAML = ruamel.yaml.YAML(typ="safe", pure=True)
AKS = MANIFESTS / "overlays" / "aks"


def test_the_route_leads_from_the_gateway_to_the_service():
    route, gateway = YAML.load(AKS / "route.yaml"), YAML.load(AKS / "gateway" / "gateway.yaml")
    service = YAML.load(MANIFESTS / "base" / "app-service.yaml")
    assert gateway["spec"]["gatewayClassName"] == "approuting-istio"
    assert route["spec"]["parentRefs"] == [
        {"name": gateway["metadata"]["name"], "namespace": gateway["metadata"]["namespace"]}
    ]
    ((backend,),) = (rule["backendRefs"] for rule in route["spec"]["rules"])
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}
    for listener in gateway["spec"]["listeners"]:
        selected = listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"]
        assert selected == {"kubernetes.io/metadata.name": NAMESPACE}


def test_every_file_of_a_kustomization_is_in_it():
    for folder in (AKS, AKS / "gateway", MANIFESTS / "base"):
        kustomization = YAML.load(folder / "kustomization.yaml")
        listed = {*kustomization["resources"], *(patch["path"] for patch in kustomization.get("patches", ()))}
        assert {name for name in listed if "/" not in name} == {
            path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"
        }


def test_the_app_is_in_one_namespace_and_the_gateways_is_the_one_that_is_exempt():
    """The proxy beside the Gateway is an image that nobody here signed: in the app's namespace it would be refused."""
    workshop = (ROOT / "docs" / "workshop.md").read_text()
    gateway = YAML.load(AKS / "gateway" / "gateway.yaml")["metadata"]["namespace"]
    (exempt,) = re.findall(r"--exempt-namespaces (\S+)", workshop)
    assert gateway in exempt.split(",")
    assert NAMESPACE not in exempt.split(",")
    declared = {YAML.load(path)["metadata"]["name"] for path in (AKS / "gateway").glob("*namespace.yaml")}
    assert declared == {NAMESPACE, gateway}
    assert set(re.findall(r"--namespace ([a-z][\w-]*)", workshop)) <= {NAMESPACE, gateway, "gatekeeper-system"}
    variables = (ROOT / "infra" / "terraform" / "variables.tf").read_text()
    assert re.search(rf'variable "namespaces" {{[^}}]*default += \["{NAMESPACE}"\]', variables)


def test_the_labs_registry_is_replaced_in_images_alone():
    text = "image: localhost:5000/voting-app:1\n- image: localhost:5000/a\nvalue: localhost:5000/b\n"
    assert rendered(text, "r.test:1") == "image: r.test:1/voting-app:1\n- image: r.test:1/a\nvalue: localhost:5000/b\n"
