# The Kafka cluster: IAM and TLS alone, three replicas, and a broker's loss that loses nothing.

locals {
  express = startswith(var.instance_type, "express.")

  # With IAM alone no client is ever judged by ACLs; `false` keeps it that way for any other listener that somebody turns on one day.
  shared_properties = {
    "allow.everyone.if.no.acl.found" = "false"
    "auto.create.topics.enable"      = "false"
  }

  # Express fixes replicas, their minimum and the election itself, and refuses a configuration that names them. There the time stamps are a
  # matter of the topics, which `gavel topics create` makes with LogAppendTime in either case and `gavel topics check` compares.
  standard_properties = {
    "default.replication.factor"     = "3"
    "min.insync.replicas"            = "2"
    "unclean.leader.election.enable" = "false"
    "log.message.timestamp.type"     = "LogAppendTime"
    "num.partitions"                 = "96"
    "replica.selector.class"         = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
  }

  properties = merge(local.shared_properties, local.express ? {} : local.standard_properties)
  server     = join("\n", [for key, value in local.properties : "${key}=${value}"])
}

module "key" {
  source = "../key"

  name           = "${var.name}-msk"
  description    = "Records of the Kafka cluster ${var.name}"
  account_id     = var.account_id
  log_region     = var.region
  log_group_arns = local.express ? [] : ["arn:aws:logs:${var.region}:${var.account_id}:log-group:/gavel/${var.name}/brokers"]
}

# AWS cannot rename a configuration, nor delete one that a cluster uses. A name made of the content lets the next one stand beside it.
resource "aws_msk_configuration" "this" {
  name              = "${var.name}-${substr(sha256("${var.kafka_version}\n${local.server}"), 0, 8)}"
  kafka_versions    = [var.kafka_version]
  server_properties = local.server

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "brokers" {
  count = local.express ? 0 : 1

  name              = "/gavel/${var.name}/brokers"
  retention_in_days = var.log_days
  kms_key_id        = module.key.arn
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = var.brokers
  enhanced_monitoring    = "PER_BROKER"

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.subnet_ids
    security_groups = [aws_security_group.brokers.id]

    connectivity_info {
      public_access {
        type = "DISABLED"
      }
    }

    dynamic "storage_info" {
      for_each = local.express ? [] : [var.storage]

      content {
        ebs_storage_info {
          volume_size = storage_info.value.size
        }
      }
    }
  }

  client_authentication {
    unauthenticated = false

    sasl {
      iam   = true
      scram = false
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = module.key.arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }
      node_exporter {
        enabled_in_broker = true
      }
    }
  }

  dynamic "logging_info" {
    for_each = aws_cloudwatch_log_group.brokers

    content {
      broker_logs {
        cloudwatch_logs {
          enabled   = true
          log_group = logging_info.value.name
        }
      }
    }
  }

  lifecycle {
    # The volumes grow by themselves (storage.tf), and shrink never.
    ignore_changes = [broker_node_group_info[0].storage_info[0].ebs_storage_info[0].volume_size]

    precondition {
      condition     = local.express == (var.storage == null)
      error_message = "Standard brokers need `storage`; Express brokers have no disks to size."
    }

    precondition {
      condition     = !local.express || contains(["3.6.x", "3.8.x", "3.9.x"], var.kafka_version)
      error_message = "Express brokers know Kafka 3.6, 3.8 and 3.9 only."
    }
  }
}
