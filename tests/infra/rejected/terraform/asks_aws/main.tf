# A plan of this depends on what AWS says today.
data "aws_caller_identity" "this" {}

output "account" {
  description = "Whoever asks."
  value       = data.aws_caller_identity.this.account_id
}
