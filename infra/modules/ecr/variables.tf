variable "name" {
  description = "Name of the repository, the same in every environment: an image keeps its name and its digest on its way to production."
  type        = string
  default     = "gavel"
}

variable "account_id" {
  description = "The account that owns it."
  type        = string
}

variable "replicate_to" {
  description = "Registries that get a copy of every image: each environment runs from its own, and outlives the loss of the others."
  type        = list(object({ account_id = string, region = string }))
  default     = []
}

variable "replicate_from" {
  description = "Account whose images are taken over; null for the registry that is pushed to."
  type        = string
  default     = null
}

variable "push_from" {
  description = "GitHub repository (`owner/name`) whose main branch and release tags may push; null for none."
  type        = string
  default     = null
}

variable "kept_images" {
  description = "Released images that are kept. Environments run by digest, and go back to digests that were."
  type        = number
  default     = 200
}
