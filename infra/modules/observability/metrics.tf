# Prometheus writes here, too (remote_write): what was measured before a cluster was lost, and over years.

resource "aws_cloudwatch_log_group" "metrics" {
  count = var.metrics == null ? 0 : 1

  name              = "/aws/vendedlogs/gavel/${var.name}/prometheus"
  retention_in_days = var.log_days
  kms_key_id        = module.key.arn
}

resource "aws_prometheus_workspace" "this" {
  count = var.metrics == null ? 0 : 1

  alias       = var.name
  kms_key_arn = module.key.arn

  logging_configuration {
    log_group_arn = "${aws_cloudwatch_log_group.metrics[0].arn}:*"
  }
}

resource "aws_iam_role" "metrics" {
  count = var.metrics == null ? 0 : 1

  name = "${var.name}-metrics"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnEquals    = { "aws:SourceArn" = var.metrics.cluster_arn }
      }
    }]
  })
}

resource "aws_iam_role_policy" "metrics" {
  count = var.metrics == null ? 0 : 1

  name = "write"
  role = aws_iam_role.metrics[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "aps:RemoteWrite", Resource = aws_prometheus_workspace.this[0].arn },
      {
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = module.key.arn
        Condition = { StringEquals = { "kms:ViaService" = "aps.${var.region}.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_eks_pod_identity_association" "metrics" {
  count = var.metrics == null ? 0 : 1

  cluster_name    = var.metrics.cluster_name
  namespace       = "observability"
  service_account = "prometheus"
  role_arn        = aws_iam_role.metrics[0].arn
}
