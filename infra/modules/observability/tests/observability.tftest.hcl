mock_provider "aws" {}

variables {
  name       = "gavel-test"
  region     = "eu-west-1"
  account_id = "111122223333"
  kafka_name = "gavel-test"
}

run "late_verdicts_and_silence_are_both_heard" {
  command = apply

  assert {
    condition     = aws_cloudwatch_metric_alarm.slo.treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.slo.comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.slo.threshold == 10
    error_message = "a group that is gone must not look like one that keeps up"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.slo.dimensions == tomap({ "Cluster Name" = "gavel-test", "Consumer Group" = "gavel", "Topic" = "chat.messages" })
    error_message = "the alarm looks at something else"
  }

  assert {
    condition     = contains(aws_cloudwatch_metric_alarm.slo.alarm_actions, aws_sns_topic.alarms.arn) && aws_sns_topic.alarms.kms_master_key_id == module.key.arn
    error_message = "nobody hears it"
  }
}

run "no_workspace_without_a_cluster_to_write_to_it" {
  command = apply

  assert {
    condition     = length(aws_prometheus_workspace.this) == 0 && length(aws_iam_role.metrics) == 0 && output.remote_write == null
    error_message = "something was made that nobody uses"
  }
}

run "only_the_cluster_writes_metrics" {
  command = apply

  variables {
    metrics = { cluster_name = "gavel-test", cluster_arn = "arn:aws:eks:eu-west-1:111122223333:cluster/gavel-test" }
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.metrics[0].policy).Statement[0].Action == "aps:RemoteWrite" && jsondecode(aws_iam_role_policy.metrics[0].policy).Statement[0].Resource == aws_prometheus_workspace.this[0].arn
    error_message = "Prometheus may do more than write"
  }
}
