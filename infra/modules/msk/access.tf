resource "aws_security_group" "brokers" {
  name        = "${var.name}-brokers"
  description = "Kafka brokers of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-brokers" }
}

locals {
  # 9098: SASL/IAM over TLS. 11001 and 11002: what JMX and the node have to say, to Prometheus alone.
  group_rules = merge([
    for name, group in var.client_security_groups : {
      for purpose, ports in { kafka = [9098, 9098], metrics = [11001, 11002] } : "${name}-${purpose}" => { group = group, ports = ports }
    }
  ]...)
}

resource "aws_vpc_security_group_ingress_rule" "group" {
  for_each = local.group_rules

  security_group_id            = aws_security_group.brokers.id
  description                  = each.key
  referenced_security_group_id = each.value.group
  ip_protocol                  = "tcp"
  from_port                    = each.value.ports[0]
  to_port                      = each.value.ports[1]
}

resource "aws_vpc_security_group_ingress_rule" "range" {
  for_each = var.client_cidrs

  security_group_id = aws_security_group.brokers.id
  description       = each.key
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 9098
  to_port           = 9098
}
