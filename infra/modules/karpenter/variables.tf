variable "cluster_name" {
  description = "Name of the EKS cluster; also of the queue, which is what Karpenter's chart calls `settings.interruptionQueue`."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the EKS cluster."
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

variable "namespace" {
  description = "Namespace of Karpenter's service account `karpenter`."
  type        = string
  default     = "karpenter"
}
