variable "name" {
  description = "Prefix of every name, for example `gavel-dev`."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "vpc_cidr" {
  description = "Its range: where CloudFront's own interfaces are."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the load balancer."
  type        = list(string)
}

variable "target_security_group_id" {
  description = "Group of the pods behind it."
  type        = string
}

variable "target_port" {
  description = "Port of the pods behind it."
  type        = number
  default     = 8080
}

variable "certificate_arn" {
  description = "Certificate of the load balancer, in this region."
  type        = string
}

variable "allowed_cidrs" {
  description = "Networks of the people who look at audits."
  type        = list(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : tonumber(split("/", cidr)[1]) >= 8])
    error_message = "Name the networks of the people who look at audits: everybody is no network."
  }
}

variable "log_key_arn" {
  description = "KMS key of the logs, in this region."
  type        = string
}

variable "public" {
  description = "Reachable from the internet, by CloudFront, for `allowed_cidrs` alone: its names and its certificate in us-east-1. Null: from inside only."
  type        = object({ aliases = list(string), certificate_arn = string })
  default     = null
}
