# On-demand nodes for the controllers alone: Karpenter cannot run on nodes that only Karpenter could start.

resource "aws_iam_role" "node" {
  name = "${var.name}-controllers-node"

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

resource "aws_launch_template" "controllers" {
  name_prefix            = "${var.name}-controllers-"
  update_default_version = true

  # Pods are one hop further away than the node: with a limit of one they cannot take its role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = 40
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-controllers" }
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Without a taint: all that is not a processor runs here, since Karpenter's nodes take processors alone (manifests/platform/base/nodes.yaml).
resource "aws_eks_node_group" "controllers" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "controllers"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.node_subnet_ids
  ami_type        = "AL2023_ARM_64_STANDARD"
  capacity_type   = "ON_DEMAND"
  instance_types  = var.controllers.instance_types
  labels          = { "gavel/nodes" = "controllers" }

  launch_template {
    id      = aws_launch_template.controllers.id
    version = aws_launch_template.controllers.latest_version
  }

  scaling_config {
    min_size     = var.controllers.size
    desired_size = var.controllers.size
    max_size     = var.controllers.size + 1
  }

  update_config {
    max_unavailable = 1
  }

  depends_on = [aws_eks_addon.before_nodes, aws_iam_role_policy_attachment.node]
}
