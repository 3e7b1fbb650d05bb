variable "name" {
  description = "Prefix of the roles, for example `gavel-dev`."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "cluster_name" {
  description = "Name of the EKS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the EKS cluster."
  type        = string
}

variable "oidc_provider_arn" {
  description = "Provider of the cluster's tokens."
  type        = string
}

variable "oidc_issuer" {
  description = "Issuer of the cluster's tokens, without `https://`."
  type        = string
}

variable "kafka_arn" {
  description = "ARN of the MSK cluster. The ARNs of topics and groups are made of it."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kafka:[a-z0-9-]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.kafka_arn))
    error_message = "Not the ARN of an MSK cluster: arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID."
  }
}

variable "topics" {
  description = "Names of the five topics."
  type = object({
    messages     = string
    verdicts     = string
    dead_letters = string
    control      = string
    shadow       = string
  })
  default = {
    messages     = "chat.messages"
    verdicts     = "chat.verdicts"
    dead_letters = "chat.dead-letters"
    control      = "chat.control"
    shadow       = "chat.shadow"
  }

  validation {
    condition     = alltrue([for topic in values(var.topics) : can(regex("^[A-Za-z0-9._-]+$", topic))]) && length(distinct(values(var.topics))) == 5
    error_message = "Five different names without wildcards: a `*` here would be one in the policies."
  }
}

variable "group" {
  description = "Consumer group of the processors."
  type        = string
  default     = "gavel"
}

variable "checkpoints" {
  description = "Bucket of the checkpoints and its key."
  type        = object({ bucket_arn = string, key_arn = string })
}

variable "region" {
  description = "Region of the bucket."
  type        = string
}

variable "namespace" {
  description = "Namespace of the processors and their jobs."
  type        = string
  default     = "gavel"
}
