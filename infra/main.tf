# One environment: a VPC, a Kafka cluster and a Kubernetes cluster in it, the checkpoints' bucket, and who may do what. Prod is this twice.

module "observability" {
  source = "./modules/observability"

  name       = local.name
  region     = var.region
  account_id = var.account_id
  kafka_name = local.name
  metrics    = var.metrics_workspace ? { cluster_name = module.eks.name, cluster_arn = module.eks.arn } : null
  log_days   = var.log_days
  mail       = var.mail
}

module "vpc" {
  source = "./modules/vpc"

  name               = local.name
  region             = var.region
  cidr               = var.vpc_cidr
  availability_zones = var.availability_zones
  single_nat_gateway = var.single_nat_gateway
  log_key_arn        = module.observability.key_arn
  flow_log_days      = var.log_days
}

module "eks" {
  source = "./modules/eks"

  name                     = local.name
  region                   = var.region
  account_id               = var.account_id
  kubernetes_version       = var.kubernetes_version
  control_plane_subnet_ids = [for subnet in module.vpc.intra_subnets : subnet.id]
  node_subnet_ids          = [for subnet in module.vpc.private_subnets : subnet.id]
  api_cidrs                = var.api_cidrs
  administrators           = var.administrators
  readers                  = var.readers
  controllers              = var.controllers
  log_days                 = var.log_days
  deletion_protection      = var.deletion_protection
}

module "karpenter" {
  source = "./modules/karpenter"

  cluster_name = module.eks.name
  cluster_arn  = module.eks.arn
  region       = var.region
  account_id   = var.account_id
}

module "msk" {
  source = "./modules/msk"

  name                   = local.name
  region                 = var.region
  account_id             = var.account_id
  kafka_version          = var.kafka.version
  instance_type          = var.kafka.instance_type
  brokers                = var.kafka.brokers
  ingress_mib_per_broker = var.kafka.ingress_mib_per_broker
  storage                = var.kafka.storage
  vpc_id                 = module.vpc.vpc_id
  subnet_ids             = [for subnet in module.vpc.intra_subnets : subnet.id]
  client_security_groups = { nodes = module.eks.security_group_id }
  client_cidrs           = var.peering == null ? {} : { peer = var.peering.cidr }
  log_days               = var.log_days
  alarm_topic_arn        = module.observability.alarm_topic_arn
}

module "checkpoints" {
  source = "./modules/checkpoints"

  name           = local.name
  account_id     = var.account_id
  vpc_id         = module.vpc.vpc_id
  administrators = values(var.administrators)
}

module "iam" {
  source = "./modules/iam"

  name              = local.name
  region            = var.region
  account_id        = var.account_id
  cluster_name      = module.eks.name
  cluster_arn       = module.eks.arn
  oidc_provider_arn = module.eks.oidc_provider_arn
  oidc_issuer       = module.eks.oidc_issuer
  kafka_arn         = module.msk.arn
  checkpoints       = { bucket_arn = module.checkpoints.bucket_arn, key_arn = module.checkpoints.key_arn }
}

module "ecr" {
  source = "./modules/ecr"

  account_id     = var.account_id
  push_from      = var.registry.push_from
  replicate_to   = var.registry.replicate_to
  replicate_from = var.registry.replicate_from
}

module "secrets" {
  source = "./modules/secrets"

  name         = local.name
  region       = var.region
  account_id   = var.account_id
  secrets      = var.secrets
  cluster_name = module.eks.name
  cluster_arn  = module.eks.arn
}

module "security" {
  source = "./modules/security"

  name            = local.name
  region          = var.region
  account_id      = var.account_id
  enable_account  = var.account_security
  slack           = var.slack
  alarm_topic_arn = module.observability.alarm_topic_arn
}

module "peering" {
  source = "./modules/peering"
  count  = var.peering == null ? 0 : 1

  providers = {
    aws      = aws
    aws.peer = aws.peer
  }

  name = "${local.name}-producers"
  vpc  = { id = module.vpc.vpc_id, cidr = module.vpc.cidr, route_table_ids = module.vpc.route_table_ids }
  peer = {
    vpc_id          = var.peering.vpc_id
    cidr            = var.peering.cidr
    account_id      = var.peering.account_id
    region          = var.peering.region
    route_table_ids = var.peering.route_table_ids
  }
}

module "edge" {
  source = "./modules/edge"
  count  = var.edge == null ? 0 : 1

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  name                     = local.name
  vpc_id                   = module.vpc.vpc_id
  vpc_cidr                 = module.vpc.cidr
  subnet_ids               = [for subnet in module.vpc.private_subnets : subnet.id]
  target_security_group_id = module.eks.security_group_id
  certificate_arn          = var.edge.certificate_arn
  allowed_cidrs            = var.edge.allowed_cidrs
  log_key_arn              = module.observability.key_arn
  public                   = var.edge.public
}

module "fis" {
  source = "./modules/fis"
  count  = var.drills ? 1 : 0

  name           = module.eks.name
  region         = var.region
  account_id     = var.account_id
  cluster_arn    = module.eks.arn
  stop_alarm_arn = module.observability.slo_alarm_arn
  subnet_arns    = { for zone, subnet in module.vpc.private_subnets : zone => subnet.arn }
  zone           = var.availability_zones[0]
  log_key_arn    = module.observability.key_arn
  log_days       = var.log_days
}
