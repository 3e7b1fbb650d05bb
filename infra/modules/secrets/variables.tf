variable "name" {
  description = "Prefix of every secret and role, for example `gavel-dev`."
  type        = string
}

variable "region" {
  description = "Region."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "secrets" {
  description = "What is kept: name => what it is for. Values are put in by people, and never stand in a state file."
  type        = map(string)

  validation {
    condition     = length(var.secrets) > 0
    error_message = "Without a secret the reader's policy would have no resource, which IAM refuses."
  }
}

variable "cluster_name" {
  description = "Name of the EKS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the EKS cluster."
  type        = string
}
