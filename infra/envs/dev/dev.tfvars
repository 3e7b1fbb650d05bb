environment = "dev"
account_id  = "111122223333"
vpc_cidr    = "10.16.0.0/16"

single_nat_gateway  = true
deletion_protection = false
log_days            = 30

kafka = {
  instance_type          = "kafka.m7g.large"
  brokers                = 3
  ingress_mib_per_broker = 20
  storage                = { size = 100, limit = 500 }
}

controllers = { instance_types = ["m7g.large", "m6g.large"], size = 2 }

administrators = { terraform = "arn:aws:iam::111122223333:role/gavel-dev-terraform", platform = "arn:aws:iam::111122223333:role/platform" }
api_cidrs      = { vpn = "10.200.0.0/16" }

# Images are pushed here, and copied to the others: the digest that dev ran is the one that prod runs.
registry = {
  push_from = "gavel-moderation/gavel"
  replicate_to = [
    { account_id = "222233334444", region = "eu-west-1" },
    { account_id = "333344445555", region = "eu-west-1" },
    { account_id = "444455556666", region = "eu-west-1" },
  ]
}
