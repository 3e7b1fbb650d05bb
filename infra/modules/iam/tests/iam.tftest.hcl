# What the policies allow and deny is judged by an evaluator, over the roles of each environment (tests/infra/iam.py). Here: who gets them.
mock_provider "aws" {}

variables {
  name              = "gavel-test"
  region            = "eu-west-1"
  account_id        = "111122223333"
  cluster_name      = "gavel-test"
  cluster_arn       = "arn:aws:eks:eu-west-1:111122223333:cluster/gavel-test"
  oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"
  oidc_issuer       = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
  kafka_arn         = "arn:aws:kafka:eu-west-1:111122223333:cluster/gavel-test/0123-5"
  checkpoints       = { bucket_arn = "arn:aws:s3:::gavel-test-checkpoints", key_arn = "arn:aws:kms:eu-west-1:111122223333:key/k" }
}

run "one_service_account_for_each_role_by_both_ways" {
  command = apply

  assert {
    condition = { for key, of in aws_eks_pod_identity_association.this : key => "${of.namespace}/${of.service_account}" } == {
      worker   = "gavel/gavel"
      operator = "gavel/gavel-operator"
      auditor  = "gavel/gavel-auditor"
      keda     = "keda/keda-operator"
    }
    error_message = "a role belongs to other pods"
  }

  assert {
    condition = alltrue([
      for key, role in aws_iam_role.this :
      one([for s in jsondecode(role.assume_role_policy).Statement : s.Condition.StringEquals["oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub"] if s.Action == "sts:AssumeRoleWithWebIdentity"])
      == "system:serviceaccount:${replace("${aws_eks_pod_identity_association.this[key].namespace}/${aws_eks_pod_identity_association.this[key].service_account}", "/", ":")}"
    ])
    error_message = "IRSA lets in other pods than Pod Identity does"
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.this : alltrue([for s in jsondecode(role.assume_role_policy).Statement : length(keys(s.Condition)) > 0])])
    error_message = "a role trusts without a condition"
  }
}

run "topics_belong_to_one_cluster" {
  command = apply

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.this : [
        for s in jsondecode(policy.policy).Statement : [
          for r in s.Resource : !strcontains(r, "*") && strcontains(r, "/gavel-test/0123-5") if alltrue([for a in s.Action : startswith(a, "kafka-cluster:")])
        ]
      ]
    ]))
    error_message = "a right reaches beyond this cluster, or is a wildcard"
  }
}

run "a_wildcard_for_a_topic_is_refused" {
  command = plan

  variables {
    topics = { messages = "chat.*", verdicts = "chat.verdicts", dead_letters = "chat.dead-letters", control = "chat.control", shadow = "chat.shadow" }
  }

  expect_failures = [var.topics]
}

run "something_else_than_a_cluster_is_refused" {
  command = plan

  variables {
    kafka_arn = "arn:aws:kafka:eu-west-1:111122223333:cluster/*"
  }

  expect_failures = [var.kafka_arn]
}
