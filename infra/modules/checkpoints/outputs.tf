output "store" {
  description = "`GAVEL_CHECKPOINTS_STORE`."
  value       = "s3://${aws_s3_bucket.this.id}/state"
}

output "audits" {
  description = "Where reports of audits go."
  value       = "s3://${aws_s3_bucket.this.id}/audits"
}

output "erase_within_ms" {
  description = "`GAVEL_CHECKPOINTS_ERASE_WITHIN_MS` of the processors: what is left of the promise after the versions' days, and two for files that nobody names any more."
  value       = (var.erase_within_days - var.version_days - 2) * 86400000
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "key_arn" {
  description = "ARN of its key."
  value       = module.key.arn
}

output "bucket_id" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}
