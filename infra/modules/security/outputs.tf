output "findings_topic_arn" {
  description = "SNS topic of grave findings."
  value       = aws_sns_topic.findings.arn
}
