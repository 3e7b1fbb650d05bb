# The schema takes this; AWS has never heard of either value.
resource "aws_msk_cluster" "this" {
  cluster_name           = "rejected"
  kafka_version          = "3.9.x"
  number_of_broker_nodes = 3
  enhanced_monitoring    = "PER_PARTITION"

  broker_node_group_info {
    instance_type   = "express.m7g.large"
    client_subnets  = ["subnet-a"]
    security_groups = ["sg-a"]
  }
}

resource "aws_launch_template" "this" {
  instance_type = "r9z.large"
}
