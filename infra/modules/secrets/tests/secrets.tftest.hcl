mock_provider "aws" {}

variables {
  name         = "gavel-test"
  region       = "eu-west-1"
  account_id   = "111122223333"
  cluster_name = "gavel-test"
  cluster_arn  = "arn:aws:eks:eu-west-1:111122223333:cluster/gavel-test"
  secrets      = { slack-webhook = "Alertmanager's way to Slack", datadog = "API key of the exporter" }
}

run "one_reader_and_its_own_secrets" {
  command = apply

  assert {
    condition     = toset(jsondecode(aws_iam_role_policy.reader.policy).Statement[0].Resource) == toset([for secret in aws_secretsmanager_secret.this : secret.arn])
    error_message = "the reader reads more or less than these secrets"
  }

  assert {
    condition     = toset(jsondecode(aws_iam_role_policy.reader.policy).Statement[0].Action) == toset(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"])
    error_message = "the reader does more than read"
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : startswith(secret.name, "gavel-test/") && secret.kms_key_id == module.key.arn])
    error_message = "a secret stands outside its environment, or under another key"
  }
}
