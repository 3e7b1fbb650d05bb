mock_provider "aws" {}

variables {
  name           = "gavel-test"
  region         = "eu-west-1"
  account_id     = "111122223333"
  cluster_arn    = "arn:aws:eks:eu-west-1:111122223333:cluster/gavel-test"
  stop_alarm_arn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:gavel-test-verdicts-late"
  subnet_arns    = { eu-west-1a = "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-a", eu-west-1b = "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-b" }
  zone           = "eu-west-1a"
  log_key_arn    = "arn:aws:kms:eu-west-1:111122223333:key/k"
}

run "every_drill_stops_when_the_objective_is_missed" {
  command = apply

  assert {
    condition     = alltrue([for t in aws_fis_experiment_template.this : one(t.stop_condition).source == "aws:cloudwatch:alarm" && one(t.stop_condition).value == var.stop_alarm_arn])
    error_message = "a drill would go on while users suffer"
  }

  assert {
    condition     = alltrue([for t in aws_fis_experiment_template.this : t.experiment_options[0].empty_target_resolution_mode == "fail"])
    error_message = "a drill that hits nothing would count as passed"
  }
}

run "a_drill_hits_this_cluster_and_nothing_else" {
  command = apply

  assert {
    condition = alltrue([
      for t in aws_fis_experiment_template.this : alltrue([
        for target in t.target :
        anytrue([for tag in target.resource_tag : strcontains("${tag.key}=${tag.value}", "gavel-test")])
        || try(target.parameters["clusterIdentifier"] == var.cluster_arn, false)
        || target.resource_arns == toset(["arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-a"])
      ])
    ])
    error_message = "a target is not bound to this cluster"
  }

  # The name of the target that an action takes is fixed for each action.
  assert {
    condition = { for name, t in aws_fis_experiment_template.this : name => "${one(t.action).action_id} ${one(t.action).target[0].key} ${one(t.target).resource_type}" } == {
      spot-interruption = "aws:ec2:send-spot-instance-interruptions SpotInstances aws:ec2:spot-instance"
      pod-delete        = "aws:eks:pod-delete Pods aws:eks:pod"
      az-network        = "aws:network:disrupt-connectivity Subnets aws:ec2:subnet"
      ebs-pause         = "aws:ebs:pause-volume-io Volumes aws:ec2:ebs-volume"
    }
    error_message = "an action does not fit its target"
  }
}

run "no_drill_without_an_alarm" {
  command = plan

  variables {
    stop_alarm_arn = "none"
  }

  expect_failures = [var.stop_alarm_arn]
}
