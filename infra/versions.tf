terraform {
  required_version = ">= 1.8"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.66"
    }
  }

  # What differs between environments comes from envs/…/*.backend.hcl.
  backend "s3" {}
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id] # the wrong credentials fail here, before they change anything

  default_tags {
    tags = local.tags
  }
}

# CloudFront's certificates and web ACLs live there, whatever the region.
provider "aws" {
  alias               = "us_east_1"
  region              = "us-east-1"
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = local.tags
  }
}

# The other side of a peering.
provider "aws" {
  alias               = "peer"
  region              = var.peering == null ? var.region : var.peering.region
  allowed_account_ids = [var.peering == null ? var.account_id : var.peering.account_id]

  dynamic "assume_role" {
    for_each = var.peering == null ? [] : [var.peering.role_arn]

    content {
      role_arn = assume_role.value
    }
  }

  default_tags {
    tags = local.tags
  }
}

locals {
  name = "gavel-${var.environment}"
  tags = { "gavel:environment" = var.environment, "gavel:managed-by" = "terraform" }
}
