# Who acts, and whom Entra believes to be it. None of these has a secret: each presents a token that its issuer signed for
# exactly one subject.

locals {
  audience = "api://AzureADTokenExchange"

  # What a workflow's token says it is, by GitHub's rules:
  # https://docs.github.com/en/actions/reference/security/oidc#example-subject-claims
  github_subjects = {
    pull-request = "repo:${var.github_repository}:pull_request"
    build        = "repo:${var.github_repository}:ref:refs/heads/${var.github_branch}"
    deploy       = "repo:${var.github_repository}:environment:${var.github_environment}"
  }
}

resource "azurerm_user_assigned_identity" "ratify" {
  name                = "${var.name}-ratify"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "ratify" {
  name                = "ratify"
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.ratify.id
  audience            = [local.audience]
  issuer              = azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject             = "system:serviceaccount:gatekeeper-system:ratify-admin"
}

# One identity for each thing a workflow does, so that a pull request, which anybody may open, cannot sign.
resource "azurerm_user_assigned_identity" "github" {
  for_each = local.github_subjects

  name                = "${var.name}-github-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "github" {
  for_each = local.github_subjects

  name                = each.key
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.github[each.key].id
  audience            = [local.audience]
  issuer              = var.github_issuer
  subject             = each.value
}
