output "arn" {
  description = "ARN of the key."
  value       = aws_kms_key.this.arn
}

output "policy" {
  description = "Who may use it."
  value       = aws_kms_key.this.policy
}

output "alias" {
  description = "Its alias."
  value       = aws_kms_alias.this.name
}
