# Security Hub and Inspector look at the account; what they find that is grave and new goes to Slack.

resource "aws_securityhub_account" "this" {
  count = var.enable_account ? 1 : 0

  enable_default_standards = false # chosen below, one by one
  auto_enable_controls     = true
}

resource "aws_securityhub_standards_subscription" "this" {
  for_each = var.enable_account ? toset(["aws-foundational-security-best-practices/v/1.0.0", "cis-aws-foundations-benchmark/v/3.0.0"]) : []

  standards_arn = "arn:aws:securityhub:${var.region}::standards/${each.key}"

  depends_on = [aws_securityhub_account.this]
}

resource "aws_inspector2_enabler" "this" {
  count = var.enable_account ? 1 : 0

  account_ids    = [var.account_id]
  resource_types = ["EC2", "ECR"]
}

module "key" {
  source = "../key"

  name        = "${var.name}-findings"
  description = "Findings of ${var.name} on their way"
  account_id  = var.account_id
  services    = ["events.amazonaws.com"]
}

resource "aws_sns_topic" "findings" {
  name              = "${var.name}-findings"
  kms_master_key_id = module.key.arn
}

resource "aws_sns_topic_policy" "findings" {
  arn = aws_sns_topic.findings.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Findings"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.findings.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.findings.arn } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.findings.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

# Inspector's findings arrive in Security Hub as well, so one rule is enough.
resource "aws_cloudwatch_event_rule" "findings" {
  name        = "${var.name}-findings"
  description = "Grave findings that nobody has looked at"

  event_pattern = jsonencode({
    source      = ["aws.securityhub"]
    detail-type = ["Security Hub Findings - Imported"]
    detail = {
      findings = {
        Severity    = { Label = ["HIGH", "CRITICAL"] }
        Workflow    = { Status = ["NEW"] }
        RecordState = ["ACTIVE"]
      }
    }
  })
}

resource "aws_cloudwatch_event_target" "findings" {
  rule      = aws_cloudwatch_event_rule.findings.name
  target_id = "findings"
  arn       = aws_sns_topic.findings.arn
}
