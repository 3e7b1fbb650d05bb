# The schema must refuse this: `client_subnet` is no argument, and `client_subnets` is missing.
resource "aws_msk_cluster" "this" {
  cluster_name           = "rejected"
  kafka_version          = "3.9.x"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "express.m7g.large"
    client_subnet   = ["subnet-a"]
    security_groups = ["sg-a"]
  }
}
