bucket         = "gavel-prod-b-state-444455556666"
key            = "gavel.tfstate"
region         = "eu-west-1"
encrypt        = true
kms_key_id     = "alias/gavel-prod-b-state"
dynamodb_table = "gavel-prod-b-state-lock"
