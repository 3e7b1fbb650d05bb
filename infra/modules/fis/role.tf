resource "aws_iam_role" "this" {
  name = "${var.name}-fis"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "fis.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:aws:fis:${var.region}:${var.account_id}:experiment/*" }
      }
    }]
  })
}

# Cutting a subnet off takes network ACLs that do not exist before the experiment; AWS keeps the list of rights for that up to date.
resource "aws_iam_role_policy_attachment" "network" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSFaultInjectionSimulatorNetworkAccess"
}

resource "aws_iam_role_policy" "this" {
  name = "drills"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "InterruptOwnSpot"
        Effect    = "Allow"
        Action    = "ec2:SendSpotInstanceInterruptions"
        Resource  = "arn:aws:ec2:${var.region}:${var.account_id}:instance/*"
        Condition = { StringEquals = { "aws:ResourceTag/eks:eks-cluster-name" = var.name } }
      },
      {
        Sid       = "PauseOwnVolumes"
        Effect    = "Allow"
        Action    = "ec2:PauseVolumeIO"
        Resource  = "arn:aws:ec2:${var.region}:${var.account_id}:volume/*"
        Condition = { StringEquals = { "aws:ResourceTag/kubernetes.io/cluster/${var.name}" = "owned" } }
      },
      {
        Sid      = "FindTargets"
        Effect   = "Allow"
        Action   = ["ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSubnets", "tag:GetResources"]
        Resource = "*"
      },
      {
        Sid      = "FindPods"
        Effect   = "Allow"
        Action   = "eks:DescribeCluster"
        Resource = var.cluster_arn
      },
      {
        # Deliveries of logs are no resources of their own.
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogDelivery", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"]
        Resource = "*"
      },
    ]
  })
}

# Inside the cluster an experiment is this user, with what the Role `gavel-fis` (manifests/platform/drills) gives it and nothing more.
resource "aws_eks_access_entry" "this" {
  cluster_name      = var.name
  principal_arn     = aws_iam_role.this.arn
  user_name         = "gavel-fis"
  kubernetes_groups = ["gavel-fis"]
}
