variable "name" {
  description = "Prefix of every name, for example `gavel-dev`."
  type        = string
}

variable "account_id" {
  description = "The account: bucket names are worldwide."
  type        = string
}

variable "vpc_id" {
  description = "The VPC from which alone checkpoints are read and written."
  type        = string
}

variable "administrators" {
  description = "ARNs of roles that may reach the bucket from outside that VPC: Terraform's own, and who repairs things by hand."
  type        = list(string)
}

variable "erase_within_days" {
  description = "Days after which nothing of an erased user is left in a checkpoint, versions included."
  type        = number
  default     = 30
}

variable "version_days" {
  description = "Days that a deleted or replaced object can still be brought back. They count into `erase_within_days`."
  type        = number
  default     = 7

  validation {
    condition     = var.version_days >= 1
    error_message = "Lifecycle rules count whole days, from one."
  }
}

variable "audit_days" {
  description = "Days that the reports of audits are kept."
  type        = number
  default     = 2557
}
