mock_provider "aws" {}

variables {
  name        = "gavel-test"
  description = "a test"
  account_id  = "111122223333"
}

run "it_turns_and_belongs_to_the_account" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key stays the same for ever, or can be gone in a week"
  }

  assert {
    condition     = [for s in jsondecode(output.policy).Statement : s.Principal] == [{ AWS = "arn:aws:iam::111122223333:root" }]
    error_message = "without services nobody but the account uses it"
  }
}

run "services_use_it_for_this_account_alone" {
  command = plan

  variables {
    services       = ["events.amazonaws.com"]
    log_region     = "eu-west-1"
    log_group_arns = ["arn:aws:logs:eu-west-1:111122223333:log-group:/gavel/*"]
  }

  assert {
    condition     = alltrue([for s in jsondecode(output.policy).Statement : length(keys(s.Condition)) > 0 if s.Sid != "Owner"]) && length(jsondecode(output.policy).Statement) == 3
    error_message = "a service could be used with this key by somebody else"
  }
}
