# What the chart's values of this environment need to know, and what people ask for first.

output "kafka" {
  description = "`GAVEL_KAFKA_BOOTSTRAP_SERVERS` (`msk:` and the ARN), and KEDA's list of brokers."
  value       = { arn = module.msk.arn, bootstrap_brokers = module.msk.bootstrap_brokers }
}

output "cluster" {
  description = "The EKS cluster."
  value       = { name = module.eks.name, endpoint = module.eks.endpoint }
}

output "checkpoints" {
  description = "`GAVEL_CHECKPOINTS_STORE`, `GAVEL_CHECKPOINTS_ERASE_WITHIN_MS`, and where audits report to."
  value       = { store = module.checkpoints.store, erase_within_ms = module.checkpoints.erase_within_ms, audits = module.checkpoints.audits }
}

output "roles" {
  description = "Roles of the service accounts."
  value       = module.iam.role_arns
}

output "karpenter" {
  description = "`settings.interruptionQueue` and the EC2NodeClass's `role`."
  value       = { queue = module.karpenter.queue_name, node_role = module.karpenter.node_role_name }
}

output "image_repository" {
  description = "Where images are pulled from, by digest."
  value       = module.ecr.url
}

output "image_push_role" {
  description = "Role of the workflow that pushes images; null where they are copied from elsewhere."
  value       = module.ecr.push_role_arn
}

output "remote_write" {
  description = "Where Prometheus writes to; null without a workspace."
  value       = module.observability.remote_write
}

output "drills" {
  description = "Drill => experiment template."
  value       = var.drills ? module.fis[0].template_ids : {}
}

output "console" {
  description = "The audit console's door; null where it has none."
  value       = var.edge == null ? null : { target_group = module.edge[0].target_group_arn, internal = module.edge[0].internal_name, public = module.edge[0].public_name }
}
