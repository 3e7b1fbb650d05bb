# Where the state of one environment lives, applied once in its account, before everything else. Its own state is small, holds nothing
# secret, and can be imported again: keep it beside you.

locals {
  name = "gavel-${var.environment}-state"
}

module "key" {
  source = "../modules/key"

  name        = local.name
  description = "Terraform state of ${var.environment}"
  account_id  = var.account_id
}

resource "aws_s3_bucket" "state" {
  # checkov:skip=CKV_AWS_144: one state in two places is two states; versions are what brings a lost one back
  # checkov:skip=CKV_AWS_18: the trail of the account's data events says who read what
  # checkov:skip=CKV2_AWS_62: nobody waits for a state to change
  # checkov:skip=CKV2_AWS_61: old versions of the state are small, and the only way back after a mistake
  bucket = "${local.name}-${var.account_id}"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = module.key.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket = aws_s3_bucket.state.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# A table, and not S3's own lock: Terraform 1.8 knows no other.
resource "aws_dynamodb_table" "lock" {
  name                        = "${local.name}-lock"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "LockID"
  deletion_protection_enabled = true

  attribute {
    name = "LockID"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = module.key.arn
  }

  point_in_time_recovery {
    enabled = true
  }
}

output "backend" {
  description = "What envs/…/*.backend.hcl of this environment says."
  value = {
    bucket         = aws_s3_bucket.state.id
    dynamodb_table = aws_dynamodb_table.lock.name
    kms_key_id     = "alias/${local.name}"
  }
}
