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

variable "enable_account" {
  description = "Turn on Security Hub and Inspector. Once in an account and region: off in a second environment of the same account."
  type        = bool
  default     = true
}

variable "slack" {
  description = "Workspace and channel that hear of findings and alarms; null for none. The workspace is connected once by hand, in the console of Amazon Q Developer."
  type        = object({ team_id = string, channel_id = string })
  default     = null
}

variable "alarm_topic_arn" {
  description = "SNS topic of the alarms: the same channel hears of them."
  type        = string
}
