variable "environment" {
  description = "Name of the environment, for example `dev` or `prod-a`."
  type        = string
}

variable "account_id" {
  description = "Its account."
  type        = string
}

variable "region" {
  description = "Region of the state."
  type        = string
  default     = "eu-west-1"
}
