variable "name" {
  description = "Alias of the key, without `alias/`."
  type        = string
}

variable "description" {
  description = "What is encrypted with it."
  type        = string
}

variable "account_id" {
  description = "The account that owns the key."
  type        = string
}

variable "services" {
  description = "Service principals that use the key on behalf of this account, for example `cloudwatch.amazonaws.com`."
  type        = list(string)
  default     = []
}

variable "log_group_arns" {
  description = "ARN patterns of the CloudWatch log groups that are encrypted with it."
  type        = list(string)
  default     = []
}

variable "log_region" {
  description = "Region of these log groups: CloudWatch Logs has a principal per region."
  type        = string
  default     = null
}
