# Everything in which environments may differ, and nothing in which they may not.

variable "environment" {
  description = "Name of the environment: part of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.environment))
    error_message = "Small letters, digits and dashes, 16 at most: names of roles and balancers are made of it."
  }
}

variable "account_id" {
  description = "The account of this environment. Terraform refuses to work in any other."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "Twelve digits."
  }
}

variable "region" {
  description = "Region."
  type        = string
  default     = "eu-west-1"
}

variable "availability_zones" {
  description = "Three zones."
  type        = list(string)
  default     = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
}

variable "vpc_cidr" {
  description = "A /16 that no other environment has."
  type        = string
}

variable "single_nat_gateway" {
  description = "One NAT gateway instead of three: for environments that may lose a zone."
  type        = bool
  default     = false
}

variable "kafka" {
  description = "Brokers; `storage` for Standard ones only."
  type = object({
    version                = optional(string, "3.9.x")
    instance_type          = string
    brokers                = number
    ingress_mib_per_broker = number
    storage                = optional(object({ size = number, limit = number }))
  })
}

variable "kubernetes_version" {
  description = "Minor version of EKS. The pinned add-ons belong to it."
  type        = string
  default     = "1.35"
}

variable "controllers" {
  description = "On-demand nodes of the controllers. The processors' nodes are Karpenter's."
  type        = object({ instance_types = list(string), size = number })
}

variable "administrators" {
  description = "Roles with full rights on the cluster and the checkpoints: name => ARN. Terraform's own must be among them."
  type        = map(string)
}

variable "readers" {
  description = "Roles that may look: name => ARN."
  type        = map(string)
  default     = {}
}

variable "api_cidrs" {
  description = "Networks that reach the Kubernetes API besides the VPC, a VPN's for example: name => range."
  type        = map(string)
  default     = {}
}

variable "registry" {
  description = "The image registry: pushed to by a GitHub repository and copied on, or taken over from another account."
  type = object({
    push_from      = optional(string)
    replicate_to   = optional(list(object({ account_id = string, region = string })), [])
    replicate_from = optional(string)
  })
}

variable "peering" {
  description = "The VPC of the chat backend, which produces and consumes; null where it reaches the brokers by other ways."
  type = object({
    vpc_id          = string
    cidr            = string
    account_id      = string
    region          = string
    role_arn        = string
    route_table_ids = map(string)
  })
  default = null
}

variable "edge" {
  description = "The audit console's door; null for none, which is how it is unless somebody asks. `public` puts CloudFront in front of it."
  type = object({
    certificate_arn = string
    allowed_cidrs   = list(string)
    public          = optional(object({ aliases = list(string), certificate_arn = string }))
  })
  default = null
}

variable "slack" {
  description = "Channel of alarms and findings; null for none."
  type        = object({ team_id = string, channel_id = string })
  default     = null
}

variable "mail" {
  description = "Addresses that get every alarm."
  type        = set(string)
  default     = []
}

variable "secrets" {
  description = "Secrets that External Secrets brings into the cluster: name => what it is for."
  type        = map(string)
  default = {
    slack = "Alertmanager's way to Slack: {\"webhook\": address}"
  }
}

variable "account_security" {
  description = "Turn on Security Hub and Inspector: in one environment of each account."
  type        = bool
  default     = true
}

variable "metrics_workspace" {
  description = "Keep metrics outside the cluster as well."
  type        = bool
  default     = false
}

variable "drills" {
  description = "Experiment templates of the game days."
  type        = bool
  default     = false
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
}

variable "deletion_protection" {
  description = "Whether the cluster is protected from being deleted."
  type        = bool
  default     = true
}
