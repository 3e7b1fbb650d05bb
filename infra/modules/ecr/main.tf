# The one repository of images: pushed once, never changed, scanned for as long as they are kept.

module "key" {
  source = "../key"

  name        = "${var.name}-images"
  description = "Images of ${var.name}"
  account_id  = var.account_id
}

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = module.key.arn
  }
}

# Once at the push, and again whenever a new weakness becomes known.
resource "aws_ecr_registry_scanning_configuration" "this" {
  scan_type = "ENHANCED"

  rule {
    scan_frequency = "CONTINUOUS_SCAN"

    repository_filter {
      filter      = var.name
      filter_type = "WILDCARD"
    }
  }
}

# The parts of an image for several architectures have no tags of their own: what expires are tagged images beyond the newest, and an
# untagged one only when no tag's index can need it any more.
resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "The newest releases are kept"
        selection    = { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = var.kept_images }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "What a broken push left behind"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 365 }
        action       = { type = "expire" }
      },
    ]
  })
}

resource "aws_ecr_replication_configuration" "this" {
  count = length(var.replicate_to) > 0 ? 1 : 0

  replication_configuration {
    rule {
      dynamic "destination" {
        for_each = var.replicate_to

        content {
          registry_id = destination.value.account_id
          region      = destination.value.region
        }
      }

      repository_filter {
        filter      = var.name
        filter_type = "PREFIX_MATCH"
      }
    }
  }
}

resource "aws_ecr_registry_policy" "replicas" {
  count = var.replicate_from == null ? 0 : 1

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TakeOver"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${var.replicate_from}:root" }
      Action    = "ecr:ReplicateImage"
      Resource  = aws_ecr_repository.this.arn
    }]
  })
}
