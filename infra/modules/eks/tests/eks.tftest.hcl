mock_provider "aws" {
  mock_resource "aws_eks_cluster" {
    defaults = {
      arn      = "arn:aws:eks:eu-west-1:111122223333:cluster/gavel-test"
      identity = [{ oidc = [{ issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC" }] }]
    }
  }
}

variables {
  name                     = "gavel-test"
  region                   = "eu-west-1"
  account_id               = "111122223333"
  control_plane_subnet_ids = ["subnet-1", "subnet-2", "subnet-3"]
  node_subnet_ids          = ["subnet-4", "subnet-5", "subnet-6"]
  administrators           = { platform = "arn:aws:iam::111122223333:role/platform" }
  readers                  = { support = "arn:aws:iam::111122223333:role/support" }
  controllers              = { instance_types = ["m7g.large"], size = 3 }
}

run "it_has_no_public_face_and_forgets_nothing" {
  command = apply

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "the API is public"
  }

  assert {
    condition     = aws_eks_cluster.this.enabled_cluster_log_types == toset(["api", "audit", "authenticator", "controllerManager", "scheduler"])
    error_message = "all five kinds of logs are kept"
  }

  assert {
    condition     = aws_cloudwatch_log_group.control_plane.name == "/aws/eks/${aws_eks_cluster.this.name}/cluster" && aws_cloudwatch_log_group.control_plane.kms_key_id == module.key.arn
    error_message = "EKS writes its logs to the group of exactly this name, and makes one without a key where there is none"
  }

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == module.key.arn && contains(aws_eks_cluster.this.encryption_config[0].resources, "secrets")
    error_message = "secrets lie in etcd as they are"
  }
}

run "rights_are_given_by_entries_alone" {
  command = apply

  assert {
    condition     = aws_eks_cluster.this.access_config[0].authentication_mode == "API" && !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "whoever creates the cluster must not be its administrator for ever"
  }

  assert {
    condition = { for key, of in aws_eks_access_policy_association.people : of.principal_arn => of.policy_arn } == {
      "arn:aws:iam::111122223333:role/platform" = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
      "arn:aws:iam::111122223333:role/support"  = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
    }
    error_message = "somebody has other rights than they were given"
  }
}

run "controllers_have_nodes_of_their_own" {
  command = apply

  assert {
    condition     = length(aws_eks_node_group.controllers.taint) == 0 && aws_eks_node_group.controllers.capacity_type == "ON_DEMAND"
    error_message = "add-ons without tolerations would have no node, or spot would take Karpenter away"
  }

  assert {
    condition     = aws_launch_template.controllers.metadata_options[0].http_tokens == "required" && aws_launch_template.controllers.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "a pod could take the node's role"
  }
}

run "every_addon_has_a_version" {
  command = apply

  assert {
    condition     = alltrue([for addon in concat(values(aws_eks_addon.before_nodes), [aws_eks_addon.coredns, aws_eks_addon.ebs]) : can(regex("^v[0-9.]+-eksbuild\\.[0-9]+$", addon.addon_version))])
    error_message = "an add-on would change its version by itself"
  }

  assert {
    condition     = jsondecode(aws_eks_addon.before_nodes["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "NetworkPolicies would be accepted and ignored"
  }

  assert {
    condition     = jsondecode(aws_iam_role.cni.assume_role_policy).Statement[0].Condition.StringEquals["oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub"] == "system:serviceaccount:kube-system:aws-node"
    error_message = "any pod could take the network plugin's role"
  }
}
