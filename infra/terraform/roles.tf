# Every role assignment. docs/azure-roles.md says of each why it is there; a test keeps the two together.

# Reads and signs with the certificate's key, and can do nothing else with it. (The built-in Key Vault Crypto User may also
# encrypt, decrypt, wrap and unwrap.)
resource "azurerm_role_definition" "signer" {
  name        = "${var.name} signer"
  description = "Signs with the keys of a vault and reads their certificates."
  scope       = azurerm_resource_group.this.id

  permissions {
    data_actions = [
      "Microsoft.KeyVault/vaults/certificates/read",
      "Microsoft.KeyVault/vaults/keys/read",
      "Microsoft.KeyVault/vaults/keys/sign/action",
    ]
  }

  assignable_scopes = [azurerm_resource_group.this.id]
}

# Looks at the gate before it deploys: webhooks, constraints, nodes, namespaces. Secrets are not to be looked at.
resource "azurerm_role_definition" "gate_reader" {
  name        = "${var.name} gate reader"
  description = "Reads everything in a cluster but Secrets."
  scope       = azurerm_resource_group.this.id

  permissions {
    data_actions     = ["Microsoft.ContainerService/managedClusters/*/read"]
    not_data_actions = ["Microsoft.ContainerService/managedClusters/secrets/read"]
  }

  assignable_scopes = [azurerm_resource_group.this.id]
}

resource "azurerm_role_definition" "certificate_reader" {
  name        = "${var.name} certificate reader"
  description = "Reads the certificates of a vault."
  scope       = azurerm_resource_group.this.id

  permissions {
    data_actions = ["Microsoft.KeyVault/vaults/certificates/read"]
  }

  assignable_scopes = [azurerm_resource_group.this.id]
}

resource "azurerm_role_assignment" "administrator_certificates" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Certificates Officer"
  principal_id         = data.azurerm_client_config.current.object_id
  description          = "Whoever runs Terraform makes the certificate."
}

# Azure answers 403 for a while after a role is given: mostly for less than three minutes, at times for ten. A second apply
# finishes what this wait was too short for.
resource "time_sleep" "roles_known" {
  create_duration = "180s"

  triggers = {
    assignment = azurerm_role_assignment.administrator_certificates.id
  }
}

resource "azurerm_role_assignment" "kubelet_pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_kubernetes_cluster.this.kubelet_identity[0].object_id
  principal_type       = "ServicePrincipal"
  description          = "The nodes pull images."
}

resource "azurerm_role_assignment" "ratify_pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.ratify.principal_id
  principal_type       = "ServicePrincipal"
  description          = "Ratify reads images' signatures and reports."
}

resource "azurerm_role_assignment" "ratify_certificate" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Certificate User"
  principal_id         = azurerm_user_assigned_identity.ratify.principal_id
  principal_type       = "ServicePrincipal"
  description          = "Ratify reads the certificate it trusts, with its chain, which lies in the secret of its name."
}

resource "azurerm_role_assignment" "pull_request_pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.github["pull-request"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "Pull requests scan images, and compare them with the base branch's."
}

resource "azurerm_role_assignment" "push_push" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPush"
  principal_id         = azurerm_user_assigned_identity.github["push"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The branch's workflows push images and patches."
}

resource "azurerm_role_assignment" "push_certificate" {
  scope              = azurerm_key_vault.this.id
  role_definition_id = azurerm_role_definition.certificate_reader.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.github["push"].principal_id
  principal_type     = "ServicePrincipal"
  description        = "A job that patches verifies the signature of an earlier patch by the certificate."
}

resource "azurerm_role_assignment" "sign_push" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPush"
  principal_id         = azurerm_user_assigned_identity.github["sign"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The job that signs pushes signatures and reports."
}

resource "azurerm_role_assignment" "sign_sign" {
  scope              = azurerm_key_vault.this.id
  role_definition_id = azurerm_role_definition.signer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.github["sign"].principal_id
  principal_type     = "ServicePrincipal"
  description        = "The job that signs uses the key."
}

resource "azurerm_role_assignment" "deploy_pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.github["deploy"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The deploy job looks up digests and verifies signatures."
}

resource "azurerm_role_assignment" "deploy_certificate" {
  scope              = azurerm_key_vault.this.id
  role_definition_id = azurerm_role_definition.certificate_reader.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.github["deploy"].principal_id
  principal_type     = "ServicePrincipal"
  description        = "The deploy job verifies signatures by the certificate."
}

resource "azurerm_role_assignment" "deploy_kubeconfig" {
  scope                = azurerm_kubernetes_cluster.this.id
  role_definition_name = "Azure Kubernetes Service Cluster User Role"
  principal_id         = azurerm_user_assigned_identity.github["deploy"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The deploy job asks for the cluster's address. It is no right inside the cluster."
}

resource "azurerm_role_assignment" "deploy_gate" {
  scope              = azurerm_kubernetes_cluster.this.id
  role_definition_id = azurerm_role_definition.gate_reader.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.github["deploy"].principal_id
  principal_type     = "ServicePrincipal"
  description        = "The deploy job looks at the gate before it applies anything."
}

resource "azurerm_role_assignment" "deploy_namespace" {
  for_each = var.namespaces

  scope                = "${azurerm_kubernetes_cluster.this.id}/namespaces/${each.value}"
  role_definition_name = "Azure Kubernetes Service RBAC Writer"
  principal_id         = azurerm_user_assigned_identity.github["deploy"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The deploy job applies manifests in its namespaces."
}

resource "azurerm_role_assignment" "refresh_pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.github["refresh"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The refresh scans what is deployed."
}

resource "azurerm_role_assignment" "refresh_kubeconfig" {
  scope                = azurerm_kubernetes_cluster.this.id
  role_definition_name = "Azure Kubernetes Service Cluster User Role"
  principal_id         = azurerm_user_assigned_identity.github["refresh"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The refresh asks for the cluster's address. It is no right inside the cluster."
}

resource "azurerm_role_assignment" "refresh_gate" {
  scope              = azurerm_kubernetes_cluster.this.id
  role_definition_id = azurerm_role_definition.gate_reader.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.github["refresh"].principal_id
  principal_type     = "ServicePrincipal"
  description        = "The refresh lists what is deployed, and looks at the gate."
}

resource "azurerm_role_assignment" "refresh_attach_push" {
  count = var.refresh_attach ? 1 : 0

  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPush"
  principal_id         = azurerm_user_assigned_identity.github["refresh"].principal_id
  principal_type       = "ServicePrincipal"
  description          = "The refresh pushes new reports and their signatures."
}

resource "azurerm_role_assignment" "refresh_attach_sign" {
  count = var.refresh_attach ? 1 : 0

  scope              = azurerm_key_vault.this.id
  role_definition_id = azurerm_role_definition.signer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.github["refresh"].principal_id
  principal_type     = "ServicePrincipal"
  description        = "The refresh signs new reports."
}
