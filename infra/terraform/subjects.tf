# Which GitHub job is which identity. Nothing of Azure's is named here, so that a test can evaluate this file and variables.tf alone.

locals {
  # https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
  audiences = {
    public       = "api://AzureADTokenExchange"
    usgovernment = "api://AzureADTokenExchangeUSGov"
    china        = "api://AzureADTokenExchangeChina"
  }

  branch_subject = "${var.github_subject_prefix}:ref:refs/heads/${var.github_branch}"

  # The token of a job in an environment names the environment in place of the branch; a colon in its name is %3A:
  # https://docs.github.com/en/actions/reference/security/oidc#example-subject-claims
  environment_subjects = {
    for name, environment in { sign = var.github_sign_environment, deploy = var.github_deploy_environment } :
    name => environment == "" ? local.branch_subject : "${var.github_subject_prefix}:environment:${replace(environment, ":", "%3A")}"
  }

  github_subjects = {
    pull-request = "${var.github_subject_prefix}:pull_request"
    push         = local.branch_subject
    sign         = local.environment_subjects["sign"]
    deploy       = local.environment_subjects["deploy"]
    refresh      = local.branch_subject
  }

  immutable_prefix = can(regex("^repo:[^/@]+@[0-9]+/[^/@]+@[0-9]+$", var.github_subject_prefix))
}

check "immutable_subject" {
  assert {
    condition     = local.immutable_prefix || var.github_issuer != "https://token.actions.githubusercontent.com"
    error_message = "github_subject_prefix has no ids. That is right only for a repository of github.com that was made before 15 July 2026, and neither renamed, transferred nor opted in since; any other fails with AADSTS700213. Compare: gh api repos/${var.github_repository}/actions/oidc/customization/sub --jq .sub_claim_prefix"
  }
}

check "signing_environment" {
  assert {
    condition     = var.github_sign_environment != ""
    error_message = "github_sign_environment is empty: every job of the branch ${var.github_branch} that may ask for an OIDC token can sign, not the job `sign` alone."
  }
}

check "refresh_attach" {
  assert {
    condition     = !var.refresh_attach
    error_message = "refresh_attach is true: the identity refresh may sign, and every job of the branch ${var.github_branch} that may ask for an OIDC token can be it."
  }
}

check "certificate_contacts" {
  assert {
    condition     = length(var.certificate_contacts) > 0
    error_message = "certificate_contacts is empty: Key Vault has nobody to write to before the signing certificate expires."
  }
}
