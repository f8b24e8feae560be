variable "subscription_id" {
  description = "The subscription that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id is not a subscription's id: give the lower-case UUID that the portal shows."
  }
}

variable "azure_environment" {
  description = "Azure's cloud: public, usgovernment or china. The tokens' audience follows from it."
  type        = string
  default     = "public"

  validation {
    condition     = contains(["public", "usgovernment", "china"], var.azure_environment)
    error_message = "azure_environment is not public, usgovernment or china."
  }
}

variable "location" {
  description = "The region; give it when azure_environment is not public."
  type        = string
  default     = "westeurope"

  validation {
    condition = (
      startswith(var.location, "china") == (var.azure_environment == "china") &&
      can(regex("^us(gov|dod)", var.location)) == (var.azure_environment == "usgovernment")
    )
    error_message = "location is not a region of the cloud that azure_environment names, such as usgovvirginia or chinanorth3."
  }
}

variable "name" {
  description = "Begins the name of everything; the registry's and the vault's must be free in all of Azure."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,15}$", var.name))
    error_message = "name is not 3 to 16 lower-case letters and digits, a letter first."
  }
}

variable "github_repository" {
  description = "The repository whose workflows may push, sign and deploy, as `owner/name`."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is not owner/name."
  }
}

variable "github_subject_prefix" {
  description = "How the tokens of its workflows begin, which `gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix` prints: repo:OWNER@OWNER_ID/NAME@REPOSITORY_ID, or repo:OWNER/NAME."
  type        = string

  validation {
    condition     = can(regex("^repo:([^/@:]+@[0-9]+/[^/@:]+@[0-9]+|[^/@:]+/[^/@:]+)$", var.github_subject_prefix))
    error_message = "github_subject_prefix is neither repo:OWNER@OWNER_ID/NAME@REPOSITORY_ID nor repo:OWNER/NAME. Take what this prints: gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
  }

  validation {
    condition     = replace(var.github_subject_prefix, "/@[0-9]+/", "") == "repo:${var.github_repository}"
    error_message = "github_subject_prefix names another repository than github_repository. Entra compares capitals too."
  }
}

variable "github_branch" {
  description = "The branch whose workflows may push, and refresh."
  type        = string
  default     = "main"
}

variable "github_sign_environment" {
  description = "The environment whose jobs may sign: `sign-environment` of the workflows. Empty where the plan has no environments: then every job of the branch can sign."
  type        = string
  default     = "signing"
  nullable    = false
}

variable "github_deploy_environment" {
  description = "The environment whose jobs may deploy: `deploy-environment` of the workflow. Empty where the plan has none: then every job of the branch can."
  type        = string
  default     = "production"
  nullable    = false
}

variable "github_issuer" {
  description = "Who issues the workflows' tokens; GitHub Enterprise Server has its own."
  type        = string
  default     = "https://token.actions.githubusercontent.com"

  validation {
    condition     = can(regex("^https://[^/]+(/[^/]+)*$", var.github_issuer))
    error_message = "github_issuer is no https address, or ends in a slash."
  }
}

variable "refresh_attach" {
  description = "Whether the refresh attaches new reports: then its identity may push and sign."
  type        = bool
  default     = false
}

variable "certificate_subject" {
  description = "Subject of the signing certificate. Notation's trust policies ask for C, ST and O."
  type        = string
  default     = "CN=voting.example,O=Example,ST=WA,C=US"
}

variable "certificate_months" {
  description = "How long the signing certificate is valid."
  type        = number
  default     = 12

  validation {
    condition     = var.certificate_months >= 1 && var.certificate_months <= 36
    error_message = "certificate_months is not 1 to 36."
  }
}

variable "certificate_contacts" {
  description = "E-mail addresses that Key Vault writes to 30 days before the signing certificate expires."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.certificate_contacts : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "certificate_contacts holds what is no e-mail address."
  }
}

variable "namespaces" {
  description = "Namespaces that the deploy identity may write to. Neither Terraform nor the identity creates them: `kubectl create namespace voting`, once, as an administrator of the cluster."
  type        = set(string)
  default     = ["voting"]
}

variable "cluster_admin_group_ids" {
  description = "Object ids of the Entra groups that administer the cluster; you must be in one of them to install the gate."
  type        = list(string)

  validation {
    condition     = length(var.cluster_admin_group_ids) > 0
    error_message = "cluster_admin_group_ids is empty: with local accounts off, nobody could install the gate."
  }
}

variable "api_server_authorized_ranges" {
  description = "Address ranges that reach the API server; empty: every one. Hosted runners have no fixed ones."
  type        = list(string)
  default     = []
}

variable "kubernetes_version" {
  description = "Kubernetes version; null: AKS's default when the cluster is made. Later versions come by the patch channel."
  type        = string
  default     = null
}

variable "node_count" {
  description = "How many nodes."
  type        = number
  default     = 2
}

variable "node_size" {
  description = "Size of a node."
  type        = string
  default     = "Standard_D2s_v5"
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
