variable "name" {
  description = "Name of the cluster and prefix of every name, for example `gavel-dev`."
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

variable "cluster_arn" {
  description = "ARN of the EKS cluster."
  type        = string
}

variable "stop_alarm_arn" {
  description = "The alarm that ends every experiment at once."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:[0-9]{12}:alarm:.+$", var.stop_alarm_arn))
    error_message = "No drill without an alarm that stops it: the ARN of a CloudWatch alarm is needed."
  }
}

variable "subnet_arns" {
  description = "Zone => subnet of nodes."
  type        = map(string)
}

variable "zone" {
  description = "The zone that is cut off, and whose volumes stand still."
  type        = string
}

variable "namespace" {
  description = "Namespace of the processors."
  type        = string
  default     = "gavel"
}

variable "service_account" {
  description = "Service account there that may delete pods: experiments use it."
  type        = string
  default     = "gavel-fis"
}

variable "log_key_arn" {
  description = "KMS key of the experiments' log."
  type        = string
}

variable "log_days" {
  description = "Days that the log is kept."
  type        = number
  default     = 365
}
