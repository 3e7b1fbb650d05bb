output "role_arns" {
  description = "Role => ARN, for annotations of service accounts where IRSA is used."
  value       = { for role, made in aws_iam_role.this : role => made.arn }
}
