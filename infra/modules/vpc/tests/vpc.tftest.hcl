# Mocked resources of one type may all have the same id: who is bound to whom is judged in the environments (tests/infra/checks/terraform.py).
mock_provider "aws" {}

variables {
  name               = "gavel-test"
  region             = "eu-west-1"
  cidr               = "10.16.0.0/16"
  availability_zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
  log_key_arn        = "arn:aws:kms:eu-west-1:111122223333:key/logs"
}

run "subnets_in_three_zones_that_do_not_overlap" {
  command = plan

  assert {
    condition     = alltrue([for kind in [aws_subnet.private, aws_subnet.intra, aws_subnet.public] : length(distinct([for s in kind : s.availability_zone])) == 3])
    error_message = "each kind of subnet needs one in each zone"
  }

  # As /24 blocks of the VPC: a subnet covers the third octets from its own on. None may be covered twice.
  assert {
    condition = length(flatten([
      for kind in [aws_subnet.private, aws_subnet.intra, aws_subnet.public] : [
        for s in kind : range(split(".", s.cidr_block)[2], split(".", s.cidr_block)[2] + pow(2, 24 - split("/", s.cidr_block)[1]))
      ]
      ])) == length(distinct(flatten([
        for kind in [aws_subnet.private, aws_subnet.intra, aws_subnet.public] : [
          for s in kind : range(split(".", s.cidr_block)[2], split(".", s.cidr_block)[2] + pow(2, 24 - split("/", s.cidr_block)[1]))
        ]
    ])))
    error_message = "subnets overlap"
  }

  assert {
    condition     = alltrue([for s in aws_subnet.public : !s.map_public_ip_on_launch])
    error_message = "nothing gets a public address by being started"
  }
}

run "every_zone_has_its_own_way_out" {
  command = apply

  assert {
    condition     = toset(keys(aws_nat_gateway.this)) == toset(var.availability_zones) && toset(keys(aws_route.nat)) == toset(var.availability_zones)
    error_message = "the loss of one zone must not cut another one off"
  }

  assert {
    condition     = alltrue([for service in ["ecr.api", "ecr.dkr", "sts", "logs", "sqs", "ec2", "kms", "secretsmanager"] : aws_vpc_endpoint.interface[service].private_dns_enabled])
    error_message = "an endpoint is missing, or nobody would find it"
  }

  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "the default group lets something through"
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_flow_log.this.vpc_id == aws_vpc.this.id
    error_message = "flow logs show accepted and rejected traffic of the whole VPC"
  }
}

run "one_gateway_where_that_is_enough" {
  command = apply

  variables {
    single_nat_gateway = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 3
    error_message = "all zones leave through the one gateway"
  }
}

run "two_zones_are_refused" {
  command = plan

  variables {
    availability_zones = ["eu-west-1a", "eu-west-1b", "eu-west-1b"]
  }

  expect_failures = [var.availability_zones]
}

run "a_small_range_is_refused" {
  command = plan

  variables {
    cidr = "10.16.0.0/20"
  }

  expect_failures = [var.cidr]
}
