bucket         = "gavel-dev-state-111122223333"
key            = "gavel.tfstate"
region         = "eu-west-1"
encrypt        = true
kms_key_id     = "alias/gavel-dev-state"
dynamodb_table = "gavel-dev-state-lock"
