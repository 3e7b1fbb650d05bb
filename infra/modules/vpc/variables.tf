variable "name" {
  description = "Prefix of every name, for example `gavel-dev`."
  type        = string
}

variable "region" {
  description = "Region, for the names of the endpoints."
  type        = string
}

variable "cidr" {
  description = "A /16. Environments that may ever be peered need ranges that do not overlap."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && endswith(var.cidr, "/16")
    error_message = "The VPC's range must be an IPv4 /16, for example 10.16.0.0/16: the subnets are cut for that size."
  }
}

variable "availability_zones" {
  description = "Three zones: Kafka keeps three replicas, one in each."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) == 3
    error_message = "Exactly three different zones are needed."
  }
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones: cheaper, and the loss of its zone cuts the others off from the internet."
  type        = bool
  default     = false
}

variable "interface_endpoints" {
  description = "AWS services that are reached without leaving the VPC."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "sts", "logs", "sqs", "ec2", "kms", "secretsmanager", "eks", "eks-auth"]
}

variable "log_key_arn" {
  description = "KMS key of the flow logs."
  type        = string
}

variable "flow_log_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 365
}
