# A web ACL that blocks whoever is not known, and the known ones when they ask too much or for the wrong things.

variable "name" {
  description = "Name of the ACL."
  type        = string
}

variable "scope" {
  description = "`REGIONAL` for a load balancer, `CLOUDFRONT` for a distribution (then in us-east-1)."
  type        = string
}

variable "allowed_cidrs" {
  description = "Who is known."
  type        = list(string)
}

variable "requests_per_five_minutes" {
  description = "Requests of one address above which it is blocked for a while."
  type        = number
  default     = 1000
}

variable "log_days" {
  description = "Days that blocked requests are kept."
  type        = number
  default     = 365
}

variable "log_key_arn" {
  description = "KMS key of that log, in the ACL's region; null for CloudWatch's own."
  type        = string
  default     = null
}

resource "aws_wafv2_ip_set" "known" {
  name               = var.name
  scope              = var.scope
  ip_address_version = "IPV4"
  addresses          = var.allowed_cidrs
}

locals {
  managed = {
    AWSManagedRulesKnownBadInputsRuleSet  = 3
    AWSManagedRulesCommonRuleSet          = 4
    AWSManagedRulesAmazonIpReputationList = 5
  }
}

resource "aws_wafv2_web_acl" "this" {
  # checkov:skip=CKV_AWS_192: AWSManagedRulesKnownBadInputsRuleSet is among the managed rules below, which checkov does not unfold
  name  = var.name
  scope = var.scope

  default_action {
    allow {}
  }

  rule {
    name     = "strangers"
    priority = 1

    action {
      block {}
    }

    statement {
      not_statement {
        statement {
          ip_set_reference_statement {
            arn = aws_wafv2_ip_set.known.arn
          }
        }
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "strangers"
      sampled_requests_enabled   = true
    }
  }

  rule {
    name     = "too-many"
    priority = 2

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = var.requests_per_five_minutes
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "too-many"
      sampled_requests_enabled   = true
    }
  }

  dynamic "rule" {
    for_each = local.managed

    content {
      name     = rule.key
      priority = rule.value

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          name        = rule.key
          vendor_name = "AWS"
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = rule.key
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "aws-waf-logs-${var.name}" # WAF writes to groups with this beginning only
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  resource_arn            = aws_wafv2_web_acl.this.arn
  log_destination_configs = [aws_cloudwatch_log_group.this.arn]

  # Tokens of people who look at audits have no business in a log.
  redacted_fields {
    single_header {
      name = "authorization"
    }
  }
}

output "arn" {
  description = "ARN of the ACL."
  value       = aws_wafv2_web_acl.this.arn
}

output "blocks_strangers" {
  description = "Whether a request from an unknown network is blocked before anything else is asked."
  value = one([
    for rule in aws_wafv2_web_acl.this.rule : length(rule.action[0].block) == 1 && rule.statement[0].not_statement[0].statement[0].ip_set_reference_statement[0].arn == aws_wafv2_ip_set.known.arn
    if rule.priority == min([for r in aws_wafv2_web_acl.this.rule : r.priority]...)
  ])
}
