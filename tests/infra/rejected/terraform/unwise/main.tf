# Valid, and open: records in the clear between clients and brokers, a key that never turns.
resource "aws_msk_cluster" "this" {
  cluster_name           = "rejected"
  kafka_version          = "3.9.x"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "express.m7g.large"
    client_subnets  = ["subnet-a"]
    security_groups = ["sg-a"]
  }

  encryption_info {
    encryption_in_transit {
      client_broker = "TLS_PLAINTEXT"
    }
  }
}

resource "aws_kms_key" "this" {
  enable_key_rotation = false
}
