# What CloudWatch can see when nobody inside the cluster can tell it any more.

locals {
  broker_alarms = merge(
    {
      # Half of it is what the loss of a zone adds: the brokers that are left take over the leaders of those that are gone.
      cpu = {
        about     = "A broker is above 60 % CPU: there is no room for the loss of another one"
        metrics   = { user = "CpuUser", system = "CpuSystem" }
        sum       = "user + system"
        threshold = 60
        minutes   = 15
      }
      ingress = {
        about     = "A broker takes in more than 80 % of what its type may: add brokers or take a larger type"
        metrics   = { bytes = "BytesInPerSec" }
        sum       = "bytes"
        threshold = 0.8 * var.ingress_mib_per_broker * 1024 * 1024
        minutes   = 15
      }
      connections = {
        about     = "IAM clients connect faster than a broker accepts (100 a second): stagger the starts of pods"
        metrics   = { refused = "IAMTooManyConnections" }
        sum       = "refused"
        threshold = 0
        minutes   = 5
      }
      under_replicated = {
        about     = "Partitions have fewer replicas than they should: the loss of one more broker stops writes"
        metrics   = { partitions = "UnderReplicatedPartitions" }
        sum       = "partitions"
        threshold = 0
        minutes   = 15
      }
    },
    local.express ? {} : {
      storage = {
        about     = "A broker's volume is above 80 % although it should have grown at 60 %"
        metrics   = { used = "KafkaDataLogsDiskUsed" }
        sum       = "used"
        threshold = 80
        minutes   = 5
      }
    }
  )

  broker_alarm_instances = merge([
    for name, alarm in local.broker_alarms : {
      for id in range(1, var.brokers + 1) : "${name}-${id}" => merge(alarm, { kind = name, broker = id })
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "broker" {
  for_each = local.broker_alarm_instances

  alarm_name          = "${var.name}-msk-${each.key}"
  alarm_description   = each.value.about
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = each.value.minutes / 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]

  metric_query {
    id          = "total"
    expression  = each.value.sum
    label       = each.value.kind
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/Kafka"
        metric_name = metric_query.value
        period      = 300
        stat        = "Average"
        dimensions  = { "Cluster Name" = var.name, "Broker ID" = tostring(each.value.broker) }
      }
    }
  }
}

# Of the cluster as a whole. No data is bad news here: the controller reports these for as long as there is one.
resource "aws_cloudwatch_metric_alarm" "offline" {
  alarm_name          = "${var.name}-msk-offline-partitions"
  alarm_description   = "Partitions have no leader: their messages are not taken, their verdicts stand still"
  namespace           = "AWS/Kafka"
  metric_name         = "OfflinePartitionsCount"
  dimensions          = { "Cluster Name" = var.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "breaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
