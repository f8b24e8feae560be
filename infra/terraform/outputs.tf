output "registry" {
  description = "The registry's host."
  value       = azurerm_container_registry.this.login_server
}

output "vault" {
  description = "The vault's name."
  value       = azurerm_key_vault.this.name
}

output "github_variables" {
  description = "The repository's variables, for `gh variable set --env-file`; none of them is a secret."
  value = join("\n", [for name, value in {
    AZURE_TENANT_ID              = data.azurerm_client_config.current.tenant_id
    AZURE_SUBSCRIPTION_ID        = var.subscription_id
    AZURE_CLIENT_ID_PULL_REQUEST = azurerm_user_assigned_identity.github["pull-request"].client_id
    AZURE_CLIENT_ID_PUSH         = azurerm_user_assigned_identity.github["push"].client_id
    AZURE_CLIENT_ID_SIGN         = azurerm_user_assigned_identity.github["sign"].client_id
    AZURE_CLIENT_ID_DEPLOY       = azurerm_user_assigned_identity.github["deploy"].client_id
    AZURE_CLIENT_ID_REFRESH      = azurerm_user_assigned_identity.github["refresh"].client_id
    AZURE_REGISTRY               = azurerm_container_registry.this.login_server
    AZURE_VAULT                  = azurerm_key_vault.this.name
    AZURE_CERTIFICATE            = azurerm_key_vault_certificate.signing.name
    AZURE_RESOURCE_GROUP         = azurerm_resource_group.this.name
    AZURE_CLUSTER                = azurerm_kubernetes_cluster.this.name
  } : "${name}=${value}"])
}

output "gate" {
  description = "What `s3c gate install` is told of the cluster, the vault and Ratify's identity."
  value = {
    cluster        = azurerm_kubernetes_cluster.this.name
    resource_group = azurerm_resource_group.this.name
    vault          = azurerm_key_vault.this.vault_uri
    certificate    = azurerm_key_vault_certificate.signing.name
    tenant_id      = data.azurerm_client_config.current.tenant_id
    client_id      = azurerm_user_assigned_identity.ratify.client_id
  }
}
