output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its range."
  value       = aws_vpc.this.cidr_block
}

output "private_subnets" {
  description = "Zone => subnet of nodes and pods."
  value       = { for zone, subnet in aws_subnet.private : zone => { id = subnet.id, arn = subnet.arn, cidr = subnet.cidr_block } }
}

output "intra_subnets" {
  description = "Zone => subnet of brokers and control plane, without a way out."
  value       = { for zone, subnet in aws_subnet.intra : zone => { id = subnet.id, arn = subnet.arn, cidr = subnet.cidr_block } }
}

output "route_table_ids" {
  description = "Tables of the private and intra subnets: where a peering needs its routes. The keys are known before anything exists."
  value       = merge({ for zone, table in aws_route_table.private : "private-${zone}" => table.id }, { intra = aws_route_table.intra.id })
}
