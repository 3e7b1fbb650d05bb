# What both clusters of prod have in common. Each takes the whole load of 47,000 messages/s alone, with room for 1 KB a message.
kafka = {
  instance_type          = "express.m7g.2xlarge"
  brokers                = 3
  ingress_mib_per_broker = 62.5
}

controllers = { instance_types = ["m7g.xlarge", "m6g.xlarge"], size = 3 }

api_cidrs = { vpn = "10.200.0.0/16" }
registry  = { replicate_from = "111122223333" }

metrics_workspace = true
drills            = true
