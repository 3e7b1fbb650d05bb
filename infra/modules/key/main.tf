# One KMS key with rotation, and a policy that names who may use it.

locals {
  owner = {
    Sid       = "Owner"
    Effect    = "Allow"
    Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }

  # The condition keeps a service from being used with this key by somebody else's account.
  services = [for _ in slice([1], 0, length(var.services) > 0 ? 1 : 0) : {
    Sid       = "Services"
    Effect    = "Allow"
    Principal = { Service = var.services }
    Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
    Resource  = "*"
    Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
  }]

  logs = [for _ in slice([1], 0, length(var.log_group_arns) > 0 ? 1 : 0) : {
    Sid       = "Logs"
    Effect    = "Allow"
    Principal = { Service = "logs.${var.log_region}.amazonaws.com" }
    Action    = ["kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    Resource  = "*"
    Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = var.log_group_arns } }
  }]
}

resource "aws_kms_key" "this" {
  description             = var.description
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({ Version = "2012-10-17", Statement = concat([local.owner], local.services, local.logs) })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}
