# Standard: the first tier in which anonymous pull can be told to be off.
resource "azurerm_container_registry" "this" {
  name                   = "${var.name}acr"
  resource_group_name    = azurerm_resource_group.this.name
  location               = azurerm_resource_group.this.location
  sku                    = "Standard"
  admin_enabled          = false
  anonymous_pull_enabled = false
  tags                   = var.tags
}
