variable "kubeconfig" {
  description = "Path of a kubeconfig that may install charts."
  type        = string
}

variable "context" {
  description = "Its context; null: the current one."
  type        = string
  default     = null
}

variable "ratify_client_id" {
  description = "Client id of Ratify's identity: `gate.client_id` of the outputs of ../."
  type        = string
}
