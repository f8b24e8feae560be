# For signing alone: a role on this vault is a role on this certificate, and on nothing else.
resource "azurerm_key_vault" "this" {
  name                       = "${var.name}-kv"
  resource_group_name        = azurerm_resource_group.this.name
  location                   = azurerm_resource_group.this.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  soft_delete_retention_days = 90
  purge_protection_enabled   = true
  tags                       = var.tags
}

resource "azurerm_key_vault_certificate" "signing" {
  name         = "signing"
  key_vault_id = azurerm_key_vault.this.id
  tags         = var.tags

  certificate_policy {
    issuer_parameters {
      name = "Self"
    }

    # The private key never leaves the vault.
    key_properties {
      key_type   = "RSA"
      key_size   = 2048
      exportable = false
      reuse_key  = false
    }

    secret_properties {
      content_type = "application/x-pem-file"
    }

    # A self-signed certificate that renews itself is a new root of trust: images that the old one signed would be refused from
    # that moment. So certificate_contacts are told, add the new version to what the gate trusts, and then let it sign.
    lifetime_action {
      action {
        action_type = "EmailContacts"
      }

      trigger {
        days_before_expiry = 30
      }
    }

    # What the Notary Project asks of a signing certificate: digitalSignature alone; code signing.
    x509_certificate_properties {
      subject            = var.certificate_subject
      validity_in_months = var.certificate_months
      key_usage          = ["digitalSignature"]
      extended_key_usage = ["1.3.6.1.5.5.7.3.3"]
    }
  }

  depends_on = [time_sleep.roles_known]
}

resource "azurerm_key_vault_certificate_contacts" "this" {
  count = length(var.certificate_contacts) > 0 ? 1 : 0

  key_vault_id = azurerm_key_vault.this.id

  dynamic "contact" {
    for_each = var.certificate_contacts

    content {
      email = contact.value
    }
  }

  depends_on = [time_sleep.roles_known]
}
