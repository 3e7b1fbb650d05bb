bucket         = "gavel-staging-state-222233334444"
key            = "gavel.tfstate"
region         = "eu-west-1"
encrypt        = true
kms_key_id     = "alias/gavel-staging-state"
dynamodb_table = "gavel-staging-state-lock"
