output "queue_name" {
  description = "`settings.interruptionQueue` of Karpenter's chart."
  value       = aws_sqs_queue.interruptions.name
}

output "node_role_name" {
  description = "`role` of the EC2NodeClass."
  value       = aws_iam_role.node.name
}

output "controller_role_arn" {
  description = "Role of Karpenter itself."
  value       = aws_iam_role.controller.arn
}
