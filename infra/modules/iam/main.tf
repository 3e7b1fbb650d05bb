# Four roles, each with what its program does and nothing else:
#
#   worker     judges: reads messages and orders, writes verdicts, dead letters and shadow verdicts, keeps its checkpoints
#   operator   gives orders: the only one that may write chat.control, and the markers of the orders among the messages
#   auditor    reads everything and changes nothing but its own reports
#   keda       asks how far the group has got
#
# None of them deletes a topic or records, or changes what a topic is.

locals {
  cluster = var.kafka_arn
  topic   = { for key, name in var.topics : key => "${replace(var.kafka_arn, ":cluster/", ":topic/")}/${name}" }
  group   = "${replace(var.kafka_arn, ":cluster/", ":group/")}/${var.group}"
  state   = "${var.checkpoints.bucket_arn}/state/*"
  audits  = "${var.checkpoints.bucket_arn}/audits/*"

  describe = ["kafka-cluster:DescribeTopic"]
  read     = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
  write    = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]

  service_accounts = {
    worker   = { namespace = var.namespace, name = "gavel" }
    operator = { namespace = var.namespace, name = "gavel-operator" }
    auditor  = { namespace = var.namespace, name = "gavel-auditor" }
    keda     = { namespace = "keda", name = "keda-operator" }
  }

  statements = {
    worker = concat(local.kafka_producer, local.find_brokers, local.bucket_key, [
      { Sid = "ReadMessagesAndOrders", Effect = "Allow", Action = local.read, Resource = [local.topic.messages, local.topic.control] },
      # Verdicts are read, too: a partition's new owner looks at the end of them for what is out already.
      { Sid = "WriteVerdicts", Effect = "Allow", Action = concat(local.write, ["kafka-cluster:ReadData"]), Resource = [local.topic.verdicts] },
      { Sid = "WriteTheRest", Effect = "Allow", Action = local.write, Resource = [local.topic.dead_letters, local.topic.shadow] },
      { Sid = "Group", Effect = "Allow", Action = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"], Resource = [local.group] },
      local.list_bucket["state"],
      {
        Sid      = "KeepCheckpoints"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = [local.state]
      },
    ])

    operator = concat(local.kafka_producer, local.find_brokers, local.bucket_key, [
      {
        Sid      = "MakeAndCompareTopics"
        Effect   = "Allow"
        Action   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"]
        Resource = values(local.topic)
      },
      # An order stands in chat.control; its marker gets its place in time among the messages.
      { Sid = "WriteOrders", Effect = "Allow", Action = ["kafka-cluster:ReadData", "kafka-cluster:WriteData"], Resource = [local.topic.control, local.topic.messages] },
      { Sid = "ReadWhatWasJudged", Effect = "Allow", Action = local.read, Resource = [local.topic.verdicts, local.topic.dead_letters, local.topic.shadow] },
      # `gavel state erase-proof` looks into the checkpoints for what should be gone.
      local.list_bucket["state"],
      { Sid = "ReadCheckpoints", Effect = "Allow", Action = ["s3:GetObject"], Resource = [local.state] },
    ])

    auditor = concat(local.find_brokers, local.bucket_key, [
      { Sid = "Connect", Effect = "Allow", Action = ["kafka-cluster:Connect"], Resource = [local.cluster] },
      { Sid = "ReadEverything", Effect = "Allow", Action = local.read, Resource = values(local.topic) },
      local.list_bucket["everything"],
      { Sid = "ReadCheckpoints", Effect = "Allow", Action = ["s3:GetObject"], Resource = [local.state] },
      { Sid = "KeepReports", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], Resource = [local.audits] },
    ])

    keda = [
      { Sid = "Connect", Effect = "Allow", Action = ["kafka-cluster:Connect"], Resource = [local.cluster] },
      { Sid = "SeeTheEnd", Effect = "Allow", Action = local.describe, Resource = [local.topic.messages] },
      { Sid = "SeeTheGroup", Effect = "Allow", Action = ["kafka-cluster:DescribeGroup"], Resource = [local.group] },
    ]
  }

  kafka_producer = [{
    Sid      = "ConnectAndWriteOnce"
    Effect   = "Allow"
    Action   = ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
    Resource = [local.cluster]
  }]

  # MSK knows no resource for this action: it is allowed for all clusters or not at all. It tells addresses, nothing more.
  find_brokers = [{ Sid = "FindBrokers", Effect = "Allow", Action = ["kafka:GetBootstrapBrokers"], Resource = ["*"] }]

  # Without a prefix S3 asks for the same right when an object is not there; refused, the answer would be 403 where the client needs its 404.
  list_bucket = {
    for what, prefixes in { state = ["state", "state/*"], everything = ["state", "state/*", "audits", "audits/*"] } : what => {
      Sid                         = "List"
      Effect                      = "Allow"
      Action                      = ["s3:ListBucket"]
      Resource                    = [var.checkpoints.bucket_arn]
      Condition                   = { StringLikeIfExists = { "s3:prefix" = prefixes } }
    }
  }

  # By way of S3 alone: the key opens nothing that the bucket does not hand out.
  bucket_key = [{
    Sid       = "CheckpointsKey"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = [var.checkpoints.key_arn]
    Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
  }]
}

# Both ways of a pod to its role: Pod Identity, and IRSA for what does not know Pod Identity yet. Each names one service account.
resource "aws_iam_role" "this" {
  for_each = local.service_accounts

  name                 = "${var.name}-${each.key}"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "PodIdentity"
        Effect    = "Allow"
        Principal = { Service = "pods.eks.amazonaws.com" }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
        Condition = {
          StringEquals = {
            "aws:SourceAccount"                         = var.account_id
            "aws:RequestTag/kubernetes-namespace"       = each.value.namespace
            "aws:RequestTag/kubernetes-service-account" = each.value.name
          }
          ArnEquals = { "aws:SourceArn" = var.cluster_arn }
        }
      },
      {
        Sid       = "Irsa"
        Effect    = "Allow"
        Principal = { Federated = var.oidc_provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${var.oidc_issuer}:sub" = "system:serviceaccount:${each.value.namespace}:${each.value.name}"
            "${var.oidc_issuer}:aud" = "sts.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.service_accounts

  name   = "gavel"
  role   = aws_iam_role.this[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements[each.key] })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = local.service_accounts

  cluster_name    = var.cluster_name
  namespace       = each.value.namespace
  service_account = each.value.name
  role_arn        = aws_iam_role.this[each.key].arn
}
