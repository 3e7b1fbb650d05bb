output "alarm_topic_arn" {
  description = "SNS topic of all alarms."
  value       = aws_sns_topic.alarms.arn
}

output "slo_alarm_arn" {
  description = "The alarm that stops drills."
  value       = aws_cloudwatch_metric_alarm.slo.arn
}

output "key_arn" {
  description = "Key of alarms and of log groups below /gavel/NAME."
  value       = module.key.arn
}

output "remote_write" {
  description = "Where Prometheus may write to; null without a workspace."
  value       = one([for workspace in aws_prometheus_workspace.this : "${workspace.prometheus_endpoint}api/v1/remote_write"])
}
