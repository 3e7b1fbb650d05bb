mock_provider "aws" {}

variables {
  account_id   = "111122223333"
  replicate_to = [{ account_id = "222233334444", region = "eu-west-1" }]
  push_from    = "example/gavel"
}

run "an_image_never_changes_and_is_looked_at" {
  command = apply

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "a tag could come to mean another image"
  }

  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push && one(aws_ecr_registry_scanning_configuration.this.rule).scan_frequency == "CONTINUOUS_SCAN"
    error_message = "weaknesses stay unknown"
  }

  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].kms_key == module.key.arn
    error_message = "images are encrypted with their own key"
  }
}

run "what_was_not_merged_is_not_pushed" {
  command = apply

  assert {
    condition = jsondecode(aws_iam_role.push[0].assume_role_policy).Statement[0].Condition.StringLike["token.actions.githubusercontent.com:sub"] == [
      "repo:example/gavel:ref:refs/heads/main", "repo:example/gavel:ref:refs/tags/v*",
    ]
    error_message = "another repository, branch or pull request could push"
  }

  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.push[0].policy).Statement : s.Resource == aws_ecr_repository.this.arn if s.Sid != "SignIn"]) && !strcontains(aws_iam_role_policy.push[0].policy, "Delete")
    error_message = "the workflow may do more than push here"
  }

  assert {
    condition     = one(aws_ecr_replication_configuration.this[0].replication_configuration[0].rule[0].destination).registry_id == "222233334444"
    error_message = "the next environment gets no copy"
  }
}

run "a_replica_takes_from_one_account_and_is_not_pushed_to" {
  command = apply

  variables {
    replicate_to   = []
    replicate_from = "999988887777"
    push_from      = null
  }

  assert {
    condition     = jsondecode(aws_ecr_registry_policy.replicas[0].policy).Statement[0].Principal.AWS == "arn:aws:iam::999988887777:root" && jsondecode(aws_ecr_registry_policy.replicas[0].policy).Statement[0].Action == "ecr:ReplicateImage"
    error_message = "others could put images here"
  }

  assert {
    condition     = length(aws_iam_role.push) == 0 && output.push_role_arn == null
    error_message = "somebody could push past the first registry"
  }
}
