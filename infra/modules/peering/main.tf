# A peering with both halves of it: asked for here, accepted there, routes on both sides. The other side may be another account and region, so
# it has a provider of its own.

locals {
  # First and last address of both ranges, as numbers.
  ends = [
    for cidr in [var.vpc.cidr, var.peer.cidr] : {
      first = sum([for i, part in split(".", cidrhost(cidr, 0)) : part * pow(256, 3 - i)])
      last  = sum([for i, part in split(".", cidrhost(cidr, -1)) : part * pow(256, 3 - i)])
    }
  ]
}

resource "aws_vpc_peering_connection" "this" {
  vpc_id        = var.vpc.id
  peer_vpc_id   = var.peer.vpc_id
  peer_owner_id = var.peer.account_id
  peer_region   = var.peer.region
  auto_accept   = false

  tags = { Name = var.name }

  lifecycle {
    precondition {
      condition     = local.ends[0].last < local.ends[1].first || local.ends[1].last < local.ends[0].first
      error_message = "${var.vpc.cidr} and ${var.peer.cidr} overlap: AWS refuses to peer them, and no route could tell them apart."
    }
  }
}

resource "aws_vpc_peering_connection_accepter" "this" {
  provider = aws.peer

  vpc_peering_connection_id = aws_vpc_peering_connection.this.id
  auto_accept               = true

  tags = { Name = var.name }
}

# Brokers are found by names: both sides must resolve them to private addresses.
resource "aws_vpc_peering_connection_options" "here" {
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this.id

  requester {
    allow_remote_vpc_dns_resolution = true
  }
}

resource "aws_vpc_peering_connection_options" "there" {
  provider = aws.peer

  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this.id

  accepter {
    allow_remote_vpc_dns_resolution = true
  }
}

resource "aws_route" "here" {
  for_each = var.vpc.route_table_ids

  route_table_id            = each.value
  destination_cidr_block    = var.peer.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this.id
}

resource "aws_route" "there" {
  for_each = var.peer.route_table_ids
  provider = aws.peer

  route_table_id            = each.value
  destination_cidr_block    = var.vpc.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.this.id
}
