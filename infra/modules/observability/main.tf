# What watches from outside. Prometheus, its alerts and the dashboards live in the cluster (manifests/observability) and go down with it; an
# alarm here hears of that.

module "key" {
  source = "../key"

  name           = "${var.name}-observability"
  description    = "Alarms and logs of ${var.name}"
  account_id     = var.account_id
  services       = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
  log_region     = var.region
  log_group_arns = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:/gavel/${var.name}/*", "arn:aws:logs:${var.region}:${var.account_id}:log-group:aws-waf-logs-${var.name}-edge", "arn:aws:logs:${var.region}:${var.account_id}:log-group:/aws/vendedlogs/gavel/${var.name}/*"]
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = module.key.arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "mail" {
  for_each = var.mail

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# Of the objective, what MSK itself can tell: how long the group would take to catch up. It does not depend on anything in the cluster, so a
# drill that takes Prometheus away cannot blind the alarm that has to stop it. No data means that nobody commits any more.
resource "aws_cloudwatch_metric_alarm" "slo" {
  alarm_name          = "${var.name}-verdicts-late"
  alarm_description   = "Verdicts are more than ${var.late_seconds} s late, or the group is gone. Stops every running drill. Runbook: docs/runbooks.md"
  namespace           = "AWS/Kafka"
  metric_name         = "EstimatedMaxTimeLag"
  dimensions          = { "Cluster Name" = var.kafka_name, "Consumer Group" = var.group, "Topic" = var.messages_topic }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.late_seconds
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
