output "arn" {
  description = "ARN of the repository."
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "Where images are pushed to and pulled from."
  value       = aws_ecr_repository.this.repository_url
}

output "push_role_arn" {
  description = "Role of the workflow that pushes; null where nothing is pushed to."
  value       = one([for role in aws_iam_role.push : role.arn])
}
