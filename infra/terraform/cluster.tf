resource "azurerm_kubernetes_cluster" "this" {
  name                = "${var.name}-aks"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  dns_prefix          = var.name
  kubernetes_version  = var.kubernetes_version
  tags                = var.tags

  # Everyone signs in with Entra, and Azure's roles say what they may do: there is no kubeconfig to lose.
  local_account_disabled            = true
  role_based_access_control_enabled = true

  # Ratify's Pod is who it is by its service account, without a secret.
  oidc_issuer_enabled       = true
  workload_identity_enabled = true

  # The gate brings its own Gatekeeper; AKS's Azure Policy add-on would bring a second one.
  azure_policy_enabled = false

  automatic_upgrade_channel = "patch"
  node_os_upgrade_channel   = "NodeImage"
  image_cleaner_enabled     = true

  image_cleaner_interval_hours = 48

  default_node_pool {
    name                        = "system"
    vm_size                     = var.node_size
    node_count                  = var.node_count
    os_sku                      = "AzureLinux"
    temporary_name_for_rotation = "rotation"

    upgrade_settings {
      max_surge = "33%"
    }
  }

  identity {
    type = "SystemAssigned"
  }

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    tenant_id              = data.azurerm_client_config.current.tenant_id
    admin_group_object_ids = var.cluster_admin_group_ids
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
  }

  dynamic "api_server_access_profile" {
    for_each = length(var.api_server_authorized_ranges) > 0 ? [var.api_server_authorized_ranges] : []

    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }

  lifecycle {
    # The patch channel moves the version. The Gateway API of application routing, for which the provider has no argument, is
    # enabled with az (README.md); what the provider reads of it must not be undone.
    ignore_changes = [kubernetes_version, web_app_routing]
  }
}
