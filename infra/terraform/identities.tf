# Who acts, and whom Entra believes to be it. None of these has a secret: each presents a token that its issuer signed for
# exactly one subject.

resource "azurerm_user_assigned_identity" "ratify" {
  name                = "${var.name}-ratify"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "ratify" {
  name                      = "ratify"
  user_assigned_identity_id = azurerm_user_assigned_identity.ratify.id
  audience                  = [local.audiences[var.azure_environment]]
  issuer                    = azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject                   = "system:serviceaccount:gatekeeper-system:ratify-admin"
}

# One identity for each thing a workflow does: what runs an image's package manager, or a pull request, cannot sign.
resource "azurerm_user_assigned_identity" "github" {
  for_each = local.github_subjects

  name                = "${var.name}-github-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "github" {
  for_each = local.github_subjects

  name                      = each.key
  user_assigned_identity_id = azurerm_user_assigned_identity.github[each.key].id
  audience                  = [local.audiences[var.azure_environment]]
  issuer                    = var.github_issuer
  subject                   = each.value
}
