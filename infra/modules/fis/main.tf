# The game days' drills on AWS. `scripts/gameday` runs their twins on one machine; these are named as it names them.

locals {
  templates = {
    spot-interruption = {
      about     = "A spot node is taken away with two minutes' notice: its pods drain, and others take their partitions"
      action    = "aws:ec2:send-spot-instance-interruptions"
      parameter = { durationBeforeInterruption = "PT2M" }
      role      = "SpotInstances"
      type      = "aws:ec2:spot-instance"
      select    = "COUNT(1)"
      tags      = { "eks:eks-cluster-name" = var.name, "karpenter.sh/nodepool" = "hot" }
      arns      = null
      where     = {}
    }
    pod-delete = {
      about     = "A processor is killed at once: its partitions are judged again from what was stored, with the same bytes"
      action    = "aws:eks:pod-delete"
      parameter = { kubernetesServiceAccount = var.service_account, gracePeriodSeconds = "0", fisPodSecurityPolicy = "restricted" }
      role      = "Pods"
      type      = "aws:eks:pod"
      select    = "COUNT(1)"
      tags      = {}
      arns      = null
      where = {
        clusterIdentifier = var.cluster_arn
        namespace         = var.namespace
        selectorType      = "labelSelector"
        selectorValue     = "app.kubernetes.io/component=processor"
      }
    }
    az-network = {
      about     = "A zone is cut off for five minutes: its pods lose their partitions, and come back without having judged in between"
      action    = "aws:network:disrupt-connectivity"
      parameter = { duration = "PT5M", scope = "all" }
      role      = "Subnets"
      type      = "aws:ec2:subnet"
      select    = "ALL"
      tags      = {}
      arns      = [var.subnet_arns[var.zone]]
      where     = {}
    }
    ebs-pause = {
      about     = "The volumes of a zone stand still for two minutes: what is judged waits in memory, other partitions go on"
      action    = "aws:ebs:pause-volume-io"
      parameter = { duration = "PT2M" }
      role      = "Volumes"
      type      = "aws:ec2:ebs-volume"
      select    = "COUNT(1)"
      tags      = { "kubernetes.io/created-for/pvc/namespace" = var.namespace, "kubernetes.io/cluster/${var.name}" = "owned" }
      arns      = null
      where     = { availabilityZoneIdentifier = var.zone }
    }
  }
}

resource "aws_cloudwatch_log_group" "experiments" {
  name              = "/gavel/${var.name}/drills"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_fis_experiment_template" "this" {
  for_each = local.templates

  description = each.value.about
  role_arn    = aws_iam_role.this.arn

  stop_condition {
    source = "aws:cloudwatch:alarm"
    value  = var.stop_alarm_arn
  }

  action {
    name      = each.key
    action_id = each.value.action

    dynamic "parameter" {
      for_each = each.value.parameter

      content {
        key   = parameter.key
        value = parameter.value
      }
    }

    target {
      key   = each.value.role
      value = each.key
    }
  }

  target {
    name           = each.key
    resource_type  = each.value.type
    selection_mode = each.value.select
    resource_arns  = each.value.arns
    parameters     = length(each.value.where) > 0 ? each.value.where : null

    dynamic "resource_tag" {
      for_each = each.value.tags

      content {
        key   = resource_tag.key
        value = resource_tag.value
      }
    }
  }

  experiment_options {
    account_targeting            = "single-account"
    empty_target_resolution_mode = "fail" # a drill that hit nothing has shown nothing
  }

  log_configuration {
    log_schema_version = 2

    cloudwatch_logs_configuration {
      log_group_arn = "${aws_cloudwatch_log_group.experiments.arn}:*"
    }
  }

  tags = { Name = "${var.name}-${each.key}" }
}
