mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { id = "gavel-dev-state-111122223333", arn = "arn:aws:s3:::gavel-dev-state-111122223333" }
  }
}

variables {
  environment = "dev"
  account_id  = "111122223333"
}

run "the_backend_is_the_one_that_the_environment_names" {
  command = plan

  assert {
    condition     = aws_s3_bucket.state.bucket == "gavel-dev-state-111122223333" && aws_dynamodb_table.lock.name == "gavel-dev-state-lock" && module.key.alias == "alias/gavel-dev-state"
    error_message = "envs/dev/dev.backend.hcl names another bucket, lock or key"
  }

  assert {
    condition     = aws_dynamodb_table.lock.hash_key == "LockID"
    error_message = "the lock's key has one name, which both tools expect"
  }

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "a broken state could not be undone"
  }
}
