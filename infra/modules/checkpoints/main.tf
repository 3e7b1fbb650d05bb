# The bucket of checkpoints (state/) and reports of audits (audits/).

module "key" {
  source = "../key"

  name        = "${var.name}-checkpoints"
  description = "Checkpoints and audit reports of ${var.name}"
  account_id  = var.account_id
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_144: a copy elsewhere would outlive erasures; what is lost here is folded again from the log
  # checkov:skip=CKV_AWS_18: the trail of the account's data events says who read what; access logs would be a second one, less complete
  # checkov:skip=CKV2_AWS_62: nobody waits for objects: processors list them
  bucket = "${var.name}-checkpoints-${var.account_id}"
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

# A bucket key: one request to KMS for many objects. 96 partitions a minute would be dear otherwise.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = module.key.arn
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "NoOtherKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.this.arn}/*"
        # Who names no key gets the bucket's own. A negated condition holds for what is absent, hence `Null`.
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = module.key.arn }
        }
      },
      {
        Sid       = "FromTheVpcOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]
        Resource  = "${aws_s3_bucket.this.arn}/*"
        Condition = {
          StringNotEquals = { "aws:SourceVpc" = var.vpc_id }
          ArnNotLike      = { "aws:PrincipalArn" = var.administrators }
        }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

# Processors delete what no checkpoint needs; a version of it stays for `version_days`, in case that was a mistake. Both times together are
# the promise that an erasure makes.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.version_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "audits"
    status = "Enabled"

    filter {
      prefix = "audits/"
    }

    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }

    expiration {
      days = var.audit_days
    }
  }

  lifecycle {
    precondition {
      condition     = var.erase_within_days - var.version_days >= 3
      error_message = "The processors need at least one day to let checkpoints go, and two for their files: erase_within_days must exceed version_days by three."
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
