mock_provider "aws" {}

variables {
  name                   = "gavel-test"
  region                 = "eu-west-1"
  account_id             = "111122223333"
  instance_type          = "express.m7g.large"
  brokers                = 3
  ingress_mib_per_broker = 15.6
  vpc_id                 = "vpc-1"
  subnet_ids             = ["subnet-a", "subnet-b", "subnet-c"]
  client_security_groups = { nodes = "sg-nodes" }
  alarm_topic_arn        = "arn:aws:sns:eu-west-1:111122223333:alarms"
}

run "only_iam_over_tls_and_nothing_public" {
  command = apply

  assert {
    condition     = aws_msk_cluster.this.client_authentication[0].sasl[0].iam && !aws_msk_cluster.this.client_authentication[0].sasl[0].scram && !aws_msk_cluster.this.client_authentication[0].unauthenticated
    error_message = "IAM is the only way in"
  }

  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker == "TLS" && aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].in_cluster
    error_message = "plaintext is allowed"
  }

  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_at_rest_kms_key_arn == module.key.arn
    error_message = "records are encrypted with the cluster's own key"
  }

  assert {
    condition     = aws_msk_cluster.this.broker_node_group_info[0].connectivity_info[0].public_access[0].type == "DISABLED"
    error_message = "brokers are public"
  }

  assert {
    condition     = aws_msk_cluster.this.open_monitoring[0].prometheus[0].jmx_exporter[0].enabled_in_broker && aws_msk_cluster.this.open_monitoring[0].prometheus[0].node_exporter[0].enabled_in_broker
    error_message = "Prometheus cannot see the brokers"
  }

  assert {
    condition     = { for key, rule in aws_vpc_security_group_ingress_rule.group : key => [rule.from_port, rule.to_port] } == { nodes-kafka = [9098, 9098], nodes-metrics = [11001, 11002] } && length(aws_vpc_security_group_ingress_rule.range) == 0
    error_message = "the brokers are open for others than the nodes, or on other ports than IAM's and the exporters'"
  }
}

run "express_gets_no_disks_no_logs_and_no_fixed_properties" {
  command = apply

  assert {
    condition     = length(aws_msk_cluster.this.broker_node_group_info[0].storage_info) == 0 && length(aws_msk_cluster.this.logging_info) == 0 && length(aws_appautoscaling_target.storage) == 0
    error_message = "Express brokers refuse disks and logs"
  }

  assert {
    condition     = toset(keys(local.properties)) == toset(["allow.everyone.if.no.acl.found", "auto.create.topics.enable"])
    error_message = "Express refuses a configuration that names what it fixes"
  }
}

run "standard_loses_nothing_with_a_broker" {
  command = apply

  variables {
    instance_type = "kafka.m7g.large"
    storage       = { size = 500, limit = 2000 }
  }

  # Read back from what is sent to AWS, not from the map that it was made of.
  assert {
    condition = {
      for line in split("\n", aws_msk_configuration.this.server_properties) : split("=", line)[0] => split("=", line)[1]
      if contains(["unclean.leader.election.enable", "allow.everyone.if.no.acl.found", "min.insync.replicas", "default.replication.factor", "log.message.timestamp.type", "auto.create.topics.enable"], split("=", line)[0])
      } == {
      "unclean.leader.election.enable" = "false"
      "allow.everyone.if.no.acl.found" = "false"
      "min.insync.replicas"            = "2"
      "default.replication.factor"     = "3"
      "log.message.timestamp.type"     = "LogAppendTime"
      "auto.create.topics.enable"      = "false"
    }
    error_message = "a property that the log's safety rests on is different"
  }

  assert {
    condition     = aws_msk_cluster.this.broker_node_group_info[0].storage_info[0].ebs_storage_info[0].volume_size == 500 && aws_appautoscaling_target.storage[0].max_capacity == 2000 && aws_appautoscaling_policy.storage[0].target_tracking_scaling_policy_configuration[0].disable_scale_in
    error_message = "volumes grow by themselves, and never shrink"
  }

  assert {
    condition     = aws_msk_cluster.this.logging_info[0].broker_logs[0].cloudwatch_logs[0].log_group == aws_cloudwatch_log_group.brokers[0].name
    error_message = "the brokers' logs go nowhere"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.broker["storage-3"].threshold == 80
    error_message = "a full volume must be seen on every broker"
  }
}

run "every_broker_is_watched" {
  command = apply

  variables {
    brokers = 6
  }

  assert {
    condition     = length(distinct([for alarm in aws_cloudwatch_metric_alarm.broker : one([for q in alarm.metric_query : q.metric[0].dimensions["Broker ID"] if q.id == "bytes"]) if strcontains(alarm.alarm_name, "ingress")])) == 6
    error_message = "a broker's throughput is not watched"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.broker : contains(alarm.alarm_actions, var.alarm_topic_arn)])
    error_message = "an alarm that nobody hears"
  }

  assert {
    condition     = abs(aws_cloudwatch_metric_alarm.broker["ingress-1"].threshold - 13086228) < 1000
    error_message = "80 % of 15.6 MiB/s are 13.1 MB/s"
  }
}

run "the_name_of_a_configuration_is_made_of_its_version_and_content" {
  command = plan

  variables {
    kafka_version = "3.8.x"
  }

  assert {
    condition     = aws_msk_configuration.this.name == "gavel-test-${substr(sha256("3.8.x\n${aws_msk_configuration.this.server_properties}"), 0, 8)}"
    error_message = "a changed configuration needs a name of its own to be made before the former one goes"
  }
}

run "four_brokers_in_three_zones_are_refused" {
  command = plan

  variables {
    brokers = 4
  }

  expect_failures = [var.brokers]
}

run "standard_without_disks_is_refused" {
  command = plan

  variables {
    instance_type = "kafka.m7g.large"
  }

  expect_failures = [aws_msk_cluster.this]
}

run "express_with_kafka_4_is_refused" {
  command = plan

  variables {
    kafka_version = "4.1.x"
  }

  expect_failures = [aws_msk_cluster.this]
}
