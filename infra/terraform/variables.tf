variable "subscription_id" {
  description = "The subscription that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id is not a subscription's id: give the lower-case UUID that the portal shows."
  }
}

variable "location" {
  description = "The region."
  type        = string
  default     = "westeurope"
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
  description = "The repository whose workflows may sign and deploy, as `owner/name`."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is not owner/name."
  }
}

variable "github_branch" {
  description = "The branch whose workflows may push and sign."
  type        = string
  default     = "main"
}

variable "github_environment" {
  description = "The environment whose jobs may deploy; its protection rules are GitHub's to keep."
  type        = string
  default     = "production"
}

variable "github_issuer" {
  description = "Who issues the workflows' tokens; GitHub Enterprise Server has its own."
  type        = string
  default     = "https://token.actions.githubusercontent.com"
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

variable "namespaces" {
  description = "Namespaces that the deploy identity may write to."
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
