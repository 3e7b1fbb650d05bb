mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::gavel-test-checkpoints-111122223333", id = "gavel-test-checkpoints-111122223333" }
  }
}

variables {
  name           = "gavel-test"
  account_id     = "111122223333"
  vpc_id         = "vpc-1"
  administrators = ["arn:aws:iam::111122223333:role/platform"]
}

run "nothing_leaves_it_in_the_clear" {
  command = apply

  assert {
    condition     = one([for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s if s.Sid == "TlsOnly"]).Effect == "Deny" && one([for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s if s.Sid == "TlsOnly"]).Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "plain HTTP is allowed"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == module.key.arn && one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "objects are encrypted with the bucket's own key"
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "the bucket could become public"
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "a deletion by mistake could not be undone"
  }
}

run "an_erasure_is_over_when_it_was_promised" {
  command = apply

  assert {
    condition = (
      output.erase_within_ms / 86400000
      + one([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.noncurrent_version_expiration[0].noncurrent_days if rule.id == "versions"])
      + 2 == 30
    )
    error_message = "the processors' time, two days for files and the days of versions are more or less than 30"
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix if rule.id == "audits"]) == "audits/" && alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.id == "audits" || length([for e in rule.expiration : e if e.days != null && e.days != 0]) == 0])
    error_message = "AWS must never expire a checkpoint by its age: the newest may be the oldest thing there is"
  }
}

run "a_promise_that_cannot_be_kept_is_refused" {
  command = plan

  variables {
    erase_within_days = 7
  }

  expect_failures = [aws_s3_bucket_lifecycle_configuration.this]
}
