variable "name" {
  description = "Name of the cluster, for example `gavel-dev`."
  type        = string
}

variable "region" {
  description = "Region, for the key's policy."
  type        = string
}

variable "account_id" {
  description = "The account that owns the cluster."
  type        = string
}

variable "kafka_version" {
  description = "Express brokers know 3.6, 3.8 and 3.9 only."
  type        = string
  default     = "3.9.x"
}

variable "instance_type" {
  description = "Brokers: `express.m7g.…` (no disks to size, no maintenance windows, a hard limit on bytes) or `kafka.m7g.…` (Standard, with EBS)."
  type        = string

  validation {
    condition     = can(regex("^(express|kafka)\\.", var.instance_type))
    error_message = "The type begins with `express.` or `kafka.`: it decides which kind of broker is made."
  }
}

variable "brokers" {
  description = "Number of brokers: a multiple of three, the number of zones."
  type        = number

  validation {
    condition     = var.brokers >= 3 && var.brokers % 3 == 0
    error_message = "The brokers are spread over three zones, so their number is a multiple of three."
  }
}

variable "ingress_mib_per_broker" {
  description = "MiB/s that a broker of this type takes in before AWS throttles it (Express), or that it was sized for (Standard)."
  type        = number
}

variable "storage" {
  description = "EBS of each Standard broker in GiB; it grows by itself from `size` to `limit`. Null for Express."
  type        = object({ size = number, limit = number })
  default     = null
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Three subnets, one in each zone, without a way out."
  type        = list(string)
}

variable "client_security_groups" {
  description = "Who may connect: name => security group."
  type        = map(string)
}

variable "client_cidrs" {
  description = "Who else may connect: name => range, for example the producers' VPC behind a peering."
  type        = map(string)
  default     = {}
}

variable "log_days" {
  description = "Days that the logs of Standard brokers are kept. Express brokers have none."
  type        = number
  default     = 365
}

variable "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  type        = string
}
