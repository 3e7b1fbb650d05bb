# Prod at a quarter: the same kinds of everything, less of it.
environment = "staging"
account_id  = "222233334444"
vpc_cidr    = "10.32.0.0/16"

log_days = 90

kafka = {
  instance_type          = "express.m7g.large"
  brokers                = 3
  ingress_mib_per_broker = 15.6
}

controllers = { instance_types = ["m7g.large", "m6g.large"], size = 3 }

administrators = { terraform = "arn:aws:iam::222233334444:role/gavel-staging-terraform", platform = "arn:aws:iam::222233334444:role/platform" }
api_cidrs      = { vpn = "10.200.0.0/16" }

registry = { replicate_from = "111122223333" }

peering = {
  vpc_id          = "vpc-0f5ba1c0de000001"
  cidr            = "10.132.0.0/16"
  account_id      = "555566667777"
  region          = "eu-west-1"
  role_arn        = "arn:aws:iam::555566667777:role/gavel-staging-peering"
  route_table_ids = { private = "rtb-0f5ba1c0de000001" }
}

slack             = { team_id = "T0GAVEL0001", channel_id = "C0STAGING01" }
metrics_workspace = true
drills            = true
