mock_provider "aws" {}

variables {
  cluster_name = "gavel-test"
  cluster_arn  = "arn:aws:eks:eu-west-1:111122223333:cluster/gavel-test"
  region       = "eu-west-1"
  account_id   = "111122223333"
}

run "every_notice_reaches_the_queue" {
  command = apply

  assert {
    condition = toset(flatten([for rule in aws_cloudwatch_event_rule.interruptions : jsondecode(rule.event_pattern)["detail-type"]])) == toset([
      "EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation", "EC2 Instance State-change Notification",
      "AWS Health Event", "EC2 Capacity Reservation Instance Interruption Warning",
    ])
    error_message = "a kind of notice is not asked for"
  }

  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.interruptions : target.arn == aws_sqs_queue.interruptions.arn])
    error_message = "a notice goes elsewhere"
  }

  assert {
    condition     = toset(one([for s in jsondecode(aws_sqs_queue_policy.interruptions.policy).Statement : s if s.Sid == "Events"]).Condition.ArnEquals["aws:SourceArn"]) == toset([for rule in aws_cloudwatch_event_rule.interruptions : rule.arn])
    error_message = "the queue refuses one of the rules, or takes notices from strangers"
  }

  assert {
    condition     = aws_sqs_queue.interruptions.name == var.cluster_name && aws_sqs_queue.interruptions.sqs_managed_sse_enabled
    error_message = "the chart looks for a queue with the cluster's name"
  }
}

run "it_ends_only_what_it_started" {
  command = apply

  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_role_policy.controller.policy).Statement :
      can(s.Condition.StringEquals["aws:ResourceTag/kubernetes.io/cluster/gavel-test"]) if length(setintersection(toset(flatten([s.Action])), ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate", "iam:DeleteInstanceProfile"])) > 0
    ])
    error_message = "Karpenter could end instances of others"
  }

  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.controller.policy).Statement : s.Resource if contains(flatten([s.Action]), "iam:PassRole")] == [aws_iam_role.node.arn]
    error_message = "Karpenter could give a node any role"
  }

  assert {
    condition     = aws_eks_access_entry.node.type == "EC2_LINUX" && aws_eks_access_entry.node.principal_arn == aws_iam_role.node.arn
    error_message = "nodes could not join"
  }
}
