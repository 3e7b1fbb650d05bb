mock_provider "aws" {}

variables {
  name            = "gavel-test"
  region          = "eu-west-1"
  account_id      = "111122223333"
  alarm_topic_arn = "arn:aws:sns:eu-west-1:111122223333:gavel-test-alarms"
  slack           = { team_id = "T0000000000", channel_id = "C0000000000" }
}

run "a_grave_finding_reaches_slack" {
  command = apply

  assert {
    condition     = toset(jsondecode(aws_cloudwatch_event_rule.findings.event_pattern).detail.findings.Severity.Label) == toset(["HIGH", "CRITICAL"])
    error_message = "grave findings are passed over, or everything is told"
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.findings.rule == aws_cloudwatch_event_rule.findings.name
      && aws_cloudwatch_event_target.findings.arn == aws_sns_topic.findings.arn
      && aws_chatbot_slack_channel_configuration.this[0].sns_topic_arns == toset([aws_sns_topic.findings.arn, var.alarm_topic_arn])
    )
    error_message = "the way from the finding to the channel is broken"
  }

  assert {
    condition     = one([for s in jsondecode(aws_sns_topic_policy.findings.policy).Statement : s.Condition.ArnEquals["aws:SourceArn"] if s.Sid == "Findings"]) == aws_cloudwatch_event_rule.findings.arn && aws_sns_topic.findings.kms_master_key_id == module.key.arn
    error_message = "the topic refuses its own rule, or takes findings from strangers"
  }

  # EventBridge cannot publish to an encrypted topic whose key it may not use; nothing would say so.
  assert {
    condition     = length([for s in jsondecode(module.key.policy).Statement : s if try(contains(s.Principal.Service, "events.amazonaws.com"), false)]) == 1
    error_message = "EventBridge may not use the topic's key: findings would vanish"
  }

  assert {
    condition     = toset(aws_inspector2_enabler.this[0].resource_types) == toset(["EC2", "ECR"]) && length(aws_securityhub_standards_subscription.this) == 2
    error_message = "nodes or images are not looked at"
  }
}

run "once_in_an_account" {
  command = apply

  variables {
    enable_account = false
    slack          = null
  }

  assert {
    condition     = length(aws_securityhub_account.this) == 0 && length(aws_inspector2_enabler.this) == 0 && length(aws_securityhub_standards_subscription.this) == 0 && length(aws_chatbot_slack_channel_configuration.this) == 0
    error_message = "the second environment of an account would fail to turn on what is on"
  }
}
