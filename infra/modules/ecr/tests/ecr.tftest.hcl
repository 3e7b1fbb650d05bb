mock_provider "aws" {}

variables {
  region        = "eu-west-1"
  account_id    = "111122223333"
  pull_accounts = ["222233334444"]
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

run "others_pull_and_never_push" {
  command = apply

  assert {
    condition     = toset(flatten([for s in jsondecode(aws_ecr_repository_policy.pull[0].policy).Statement : s.Action])) == toset(["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"])
    error_message = "another account may do more than pull"
  }

  assert {
    condition     = jsondecode(aws_ecr_repository_policy.pull[0].policy).Statement[0].Principal.AWS == ["arn:aws:iam::222233334444:root"]
    error_message = "somebody else may pull"
  }
}
