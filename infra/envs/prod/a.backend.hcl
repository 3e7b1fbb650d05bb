bucket         = "gavel-prod-a-state-333344445555"
key            = "gavel.tfstate"
region         = "eu-west-1"
encrypt        = true
kms_key_id     = "alias/gavel-prod-a-state"
dynamodb_table = "gavel-prod-a-state-lock"
