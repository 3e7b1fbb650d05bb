# What a root with the least said comes to. The environments as they are get planned and applied by tests/infra/checks/terraform.py.
mock_provider "aws" {
  mock_resource "aws_msk_cluster" {
    defaults = { arn = "arn:aws:kafka:eu-west-1:111122223333:cluster/gavel-test/0123-5" }
  }
  mock_resource "aws_eks_cluster" {
    defaults = { identity = [{ oidc = [{ issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC" }] }] }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:gavel-test-verdicts-late" }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

mock_provider "aws" {
  alias = "peer"
}

variables {
  environment    = "test"
  account_id     = "111122223333"
  vpc_cidr       = "10.16.0.0/16"
  kafka          = { instance_type = "express.m7g.large", brokers = 3, ingress_mib_per_broker = 15.6 }
  controllers    = { instance_types = ["m7g.large"], size = 2 }
  administrators = { terraform = "arn:aws:iam::111122223333:role/terraform" }
  registry       = { replicate_from = "999988887777" }
}

run "what_nobody_asked_for_is_not_there" {
  command = apply

  assert {
    condition     = length(module.edge) == 0 && length(module.fis) == 0 && length(module.peering) == 0 && output.remote_write == null
    error_message = "a door, a drill or a peering that nobody asked for"
  }

  assert {
    condition     = output.checkpoints.store == "s3://${module.checkpoints.bucket_id}/state" && output.checkpoints.erase_within_ms == 21 * 86400000
    error_message = "the processors are told another store, or more time for erasures than the versions leave them"
  }
}

run "drills_and_doors_on_demand" {
  command = apply

  variables {
    drills = true
    edge   = { certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/c", allowed_cidrs = ["10.200.0.0/16"] }
  }

  assert {
    condition     = toset(keys(output.drills)) == toset(["spot-interruption", "pod-delete", "az-network", "ebs-pause"])
    error_message = "scripts/gameday names these four"
  }

  assert {
    condition     = output.console.public == null && output.console.target_group != null
    error_message = "a door that was asked for stays private until its public side is asked for, too"
  }
}

run "a_name_too_long_for_aws_is_refused" {
  command = plan

  variables {
    environment = "an-environment-of-its-own"
  }

  expect_failures = [var.environment]
}
