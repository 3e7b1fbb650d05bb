# What Karpenter needs from AWS: a role to start nodes with, a role for the nodes, and two minutes' notice before spot takes one away.

resource "aws_iam_role" "node" {
  name = "${var.cluster_name}-node"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore"])

  role       = aws_iam_role.node.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

# Without this entry nodes start, and never join.
resource "aws_eks_access_entry" "node" {
  cluster_name  = var.cluster_name
  principal_arn = aws_iam_role.node.arn
  type          = "EC2_LINUX"
}

resource "aws_iam_role" "controller" {
  name = "${var.cluster_name}-karpenter"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnEquals    = { "aws:SourceArn" = var.cluster_arn }
      }
    }]
  })
}

resource "aws_eks_pod_identity_association" "controller" {
  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = "karpenter"
  role_arn        = aws_iam_role.controller.arn
}

locals {
  owned     = "kubernetes.io/cluster/${var.cluster_name}"
  instances = "arn:aws:ec2:${var.region}:${var.account_id}"

  # Karpenter starts, tags and ends what carries the cluster's tag, and nothing else.
  controller_statements = [
    {
      Sid    = "StartFromWhatIsThere"
      Effect = "Allow"
      Action = ["ec2:RunInstances", "ec2:CreateFleet"]
      Resource = [
        "arn:aws:ec2:${var.region}::image/*", "arn:aws:ec2:${var.region}::snapshot/*",
        "${local.instances}:security-group/*", "${local.instances}:subnet/*", "${local.instances}:capacity-reservation/*",
      ]
    },
    {
      Sid       = "StartFromOwnTemplates"
      Effect    = "Allow"
      Action    = ["ec2:RunInstances", "ec2:CreateFleet"]
      Resource  = "${local.instances}:launch-template/*"
      Condition = { StringEquals = { "aws:ResourceTag/${local.owned}" = "owned" }, StringLike = { "aws:ResourceTag/karpenter.sh/nodepool" = "*" } }
    },
    {
      Sid    = "StartTagged"
      Effect = "Allow"
      Action = ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"]
      Resource = [for kind in ["fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request"] :
      "${local.instances}:${kind}/*"]
      Condition = {
        StringEquals = { "aws:RequestTag/${local.owned}" = "owned", "aws:RequestTag/eks:eks-cluster-name" = var.cluster_name }
        StringLike   = { "aws:RequestTag/karpenter.sh/nodepool" = "*" }
      }
    },
    {
      Sid    = "TagAtTheStart"
      Effect = "Allow"
      Action = "ec2:CreateTags"
      Resource = [for kind in ["fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request"] :
      "${local.instances}:${kind}/*"]
      Condition = {
        StringEquals = {
          "aws:RequestTag/${local.owned}" = "owned"
          "ec2:CreateAction"              = ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]
        }
      }
    },
    {
      Sid      = "NameOwnNodes"
      Effect   = "Allow"
      Action   = "ec2:CreateTags"
      Resource = "${local.instances}:instance/*"
      Condition = {
        StringEquals                = { "aws:ResourceTag/${local.owned}" = "owned" }
        "ForAllValues:StringEquals" = { "aws:TagKeys" = ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"] }
      }
    },
    {
      Sid       = "EndOwn"
      Effect    = "Allow"
      Action    = ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"]
      Resource  = ["${local.instances}:instance/*", "${local.instances}:launch-template/*"]
      Condition = { StringEquals = { "aws:ResourceTag/${local.owned}" = "owned" } }
    },
    {
      Sid    = "Look"
      Effect = "Allow"
      Action = [
        "ec2:DescribeCapacityReservations", "ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "ec2:DescribeInstanceTypeOfferings",
        "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplates", "ec2:DescribePlacementGroups", "ec2:DescribeSecurityGroups",
        "ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets", "pricing:GetProducts",
      ]
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestedRegion" = [var.region, "us-east-1"] } } # prices are told in us-east-1 alone
    },
    {
      Sid      = "Images"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = "arn:aws:ssm:${var.region}::parameter/aws/service/*"
    },
    {
      Sid      = "Interruptions"
      Effect   = "Allow"
      Action   = ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource = aws_sqs_queue.interruptions.arn
    },
    {
      Sid       = "GiveNodesTheirRole"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = aws_iam_role.node.arn
      Condition = { StringEquals = { "iam:PassedToService" = "ec2.amazonaws.com" } }
    },
    {
      Sid       = "MakeOwnProfiles"
      Effect    = "Allow"
      Action    = ["iam:CreateInstanceProfile", "iam:TagInstanceProfile"]
      Resource  = "arn:aws:iam::${var.account_id}:instance-profile/*"
      Condition = { StringEquals = { "aws:RequestTag/${local.owned}" = "owned", "aws:RequestTag/topology.kubernetes.io/region" = var.region } }
    },
    {
      Sid       = "KeepOwnProfiles"
      Effect    = "Allow"
      Action    = ["iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile"]
      Resource  = "arn:aws:iam::${var.account_id}:instance-profile/*"
      Condition = { StringEquals = { "aws:ResourceTag/${local.owned}" = "owned", "aws:ResourceTag/topology.kubernetes.io/region" = var.region } }
    },
    {
      Sid      = "SeeProfiles"
      Effect   = "Allow"
      Action   = ["iam:GetInstanceProfile", "iam:ListInstanceProfiles"]
      Resource = "arn:aws:iam::${var.account_id}:instance-profile/*"
    },
    {
      Sid      = "FindTheApi"
      Effect   = "Allow"
      Action   = "eks:DescribeCluster"
      Resource = var.cluster_arn
    },
  ]
}

resource "aws_iam_role_policy" "controller" {
  name = "nodes"
  role = aws_iam_role.controller.name

  policy = jsonencode({ Version = "2012-10-17", Statement = local.controller_statements })
}
