output "target_group_arn" {
  description = "Where the console's pods register."
  value       = aws_lb_target_group.console.arn
}

output "internal_name" {
  description = "Name of the load balancer inside the VPC."
  value       = aws_lb.this.dns_name
}

output "public_name" {
  description = "Name of the distribution; null where there is none."
  value       = one([for distribution in aws_cloudfront_distribution.this : distribution.domain_name])
}
