terraform {
  required_version = ">= 1.9"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.65, < 5"
    }

    time = {
      source  = "hashicorp/time"
      version = "~> 0.13"
    }
  }
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  environment         = var.azure_environment
  storage_use_azuread = true

  features {
    key_vault {
      # A vault that was deleted keeps its name and its certificate for a while: take it back rather than fail.
      recover_soft_deleted_key_vaults = true
      purge_soft_delete_on_destroy    = false
    }
  }
}

data "azurerm_client_config" "current" {}
