# The cluster: reached from inside alone, every log kept, secrets encrypted, nobody an administrator by accident.

locals {
  log_group = "/aws/eks/${var.name}/cluster"
}

module "key" {
  source = "../key"

  name           = "${var.name}-eks"
  description    = "Kubernetes secrets and control plane logs of ${var.name}"
  account_id     = var.account_id
  log_region     = var.region
  log_group_arns = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:${local.log_group}"]
}

resource "aws_cloudwatch_log_group" "control_plane" {
  name              = local.log_group
  retention_in_days = var.log_days
  kms_key_id        = module.key.arn
}

resource "aws_iam_role" "cluster" {
  name = "${var.name}-cluster"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
    }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "this" {
  name                          = var.name
  version                       = var.kubernetes_version
  role_arn                      = aws_iam_role.cluster.arn
  bootstrap_self_managed_addons = false
  deletion_protection           = var.deletion_protection
  enabled_cluster_log_types     = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  vpc_config {
    subnet_ids              = var.control_plane_subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = false
  }

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = module.key.arn
    }
  }

  upgrade_policy {
    support_type = "STANDARD"
  }

  zonal_shift_config {
    enabled = true
  }

  depends_on = [
    aws_cloudwatch_log_group.control_plane, # else EKS makes one without a key and without an end
    aws_iam_role_policy_attachment.cluster,
  ]
}

# Karpenter's nodes find the cluster's own security group by this tag.
resource "aws_ec2_tag" "discovery" {
  resource_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  key         = "karpenter.sh/discovery"
  value       = var.name
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  for_each = var.api_cidrs

  security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description       = each.key
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# IRSA: roles that trust the cluster's tokens. Pod Identity needs no such provider; both work with every role of the iam module.
resource "aws_iam_openid_connect_provider" "this" {
  url            = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  access = merge(
    { for name, arn in var.administrators : "administrator-${name}" => { arn = arn, policy = "AmazonEKSClusterAdminPolicy" } },
    { for name, arn in var.readers : "reader-${name}" => { arn = arn, policy = "AmazonEKSViewPolicy" } },
  )
}

resource "aws_eks_access_entry" "people" {
  for_each = local.access

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.arn
}

resource "aws_eks_access_policy_association" "people" {
  for_each = local.access

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.people[each.key].principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/${each.value.policy}"

  access_scope {
    type = "cluster"
  }
}
