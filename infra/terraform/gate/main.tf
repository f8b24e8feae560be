# The charts of the gate, for those who keep charts in Terraform too. A state of its own, because the cluster has to be there
# before anything can be planned on it. `s3c gate install` does the same and more: it also applies whom the gate trusts and what
# it demands (manifests/), and proves that it closes. Run it after this.

terraform {
  required_version = ">= 1.9"

  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
  }
}

provider "helm" {
  kubernetes = {
    config_path    = var.kubeconfig
    config_context = var.context
  }
}

locals {
  # The files the lab uses, so that what is tested there is what runs here.
  manifests = "${path.module}/../../../manifests"
}

resource "helm_release" "gatekeeper" {
  name             = "gatekeeper"
  repository       = "https://open-policy-agent.github.io/gatekeeper/charts"
  chart            = "gatekeeper"
  version          = "3.23.1"
  namespace        = "gatekeeper-system"
  create_namespace = true
  atomic           = true
  values           = [file("${local.manifests}/gatekeeper/values.yaml")]
}

resource "helm_release" "ratify" {
  name       = "ratify"
  repository = "https://notaryproject.github.io/ratify"
  chart      = "ratify"
  version    = "1.15.7"
  namespace  = helm_release.gatekeeper.namespace
  atomic     = true
  values     = [file("${local.manifests}/ratify/values.yaml")]

  set = [
    {
      name  = "azureWorkloadIdentity.clientId"
      value = var.ratify_client_id
    },
    {
      name  = "oras.authProviders.azureWorkloadIdentityEnabled"
      value = "true"
    },
  ]
}
