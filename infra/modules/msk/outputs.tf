output "arn" {
  description = "ARN of the cluster: what roles name, and what `GAVEL_KAFKA_BOOTSTRAP_SERVERS=msk:ARN` asks for its brokers."
  value       = aws_msk_cluster.this.arn
}

output "name" {
  description = "Name of the cluster, for CloudWatch."
  value       = aws_msk_cluster.this.cluster_name
}

output "bootstrap_brokers" {
  description = "Brokers of the IAM listener."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_iam
}

output "security_group_id" {
  description = "Group of the brokers."
  value       = aws_security_group.brokers.id
}
