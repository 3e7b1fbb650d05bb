mock_provider "aws" {}

mock_provider "aws" {
  alias = "peer"
}

variables {
  name = "gavel-test-producers"
  vpc  = { id = "vpc-here", cidr = "10.16.0.0/16", route_table_ids = { private-a = "rtb-1", private-b = "rtb-2", intra = "rtb-3" } }
  peer = { vpc_id = "vpc-there", cidr = "10.100.0.0/16", account_id = "999988887777", region = "eu-central-1", route_table_ids = { backend = "rtb-9" } }
}

run "each_side_knows_the_way_to_the_other" {
  command = apply

  providers = {
    aws      = aws
    aws.peer = aws.peer
  }

  assert {
    condition     = toset([for route in aws_route.here : "${route.route_table_id} ${route.destination_cidr_block}"]) == toset(["rtb-1 10.100.0.0/16", "rtb-2 10.100.0.0/16", "rtb-3 10.100.0.0/16"])
    error_message = "a table here has no way there"
  }

  assert {
    condition     = toset([for route in aws_route.there : "${route.route_table_id} ${route.destination_cidr_block}"]) == toset(["rtb-9 10.16.0.0/16"])
    error_message = "a table there has no way back"
  }

  assert {
    condition     = alltrue([for route in concat(values(aws_route.here), values(aws_route.there)) : route.vpc_peering_connection_id == aws_vpc_peering_connection_accepter.this.id])
    error_message = "a route could be made before the connection is accepted"
  }

  assert {
    condition     = aws_vpc_peering_connection_options.here.requester[0].allow_remote_vpc_dns_resolution && aws_vpc_peering_connection_options.there.accepter[0].allow_remote_vpc_dns_resolution
    error_message = "brokers' names would resolve to nothing on one side"
  }
}

run "ranges_that_overlap_are_refused" {
  command = plan

  providers = {
    aws      = aws
    aws.peer = aws.peer
  }

  variables {
    peer = { vpc_id = "vpc-there", cidr = "10.16.128.0/20", account_id = "999988887777", region = "eu-west-1", route_table_ids = {} }
  }

  expect_failures = [aws_vpc_peering_connection.this]
}
