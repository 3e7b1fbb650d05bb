variable "name" {
  description = "Prefix of every name, for example `gavel-dev`."
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

variable "kafka_name" {
  description = "Name of the MSK cluster, whose metrics tell how far the group is behind."
  type        = string
}

variable "group" {
  description = "Consumer group of the processors."
  type        = string
  default     = "gavel"
}

variable "messages_topic" {
  description = "Topic of the messages."
  type        = string
  default     = "chat.messages"
}

variable "late_seconds" {
  description = "Seconds that the group may be behind before verdicts are late enough to stop a drill and wake somebody."
  type        = number
  default     = 10
}

variable "metrics" {
  description = "A Prometheus workspace outside the cluster, for what must outlive it; null for none."
  type        = object({ cluster_name = string, cluster_arn = string })
  default     = null
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
}

variable "mail" {
  description = "Addresses that get every alarm; Slack is the security module's."
  type        = set(string)
  default     = []
}
