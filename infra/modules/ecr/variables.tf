variable "name" {
  description = "Name of the repository."
  type        = string
  default     = "gavel"
}

variable "region" {
  description = "Region."
  type        = string
}

variable "account_id" {
  description = "The account that owns it."
  type        = string
}

variable "pull_accounts" {
  description = "Accounts whose clusters run its images."
  type        = list(string)
  default     = []
}

variable "kept_images" {
  description = "Released images that are kept. Environments run by digest, and go back to digests that were."
  type        = number
  default     = 200
}
