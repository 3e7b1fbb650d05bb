environment = "prod-b"
account_id  = "444455556666"
vpc_cidr    = "10.64.0.0/16"

administrators = { terraform = "arn:aws:iam::444455556666:role/gavel-prod-b-terraform", platform = "arn:aws:iam::444455556666:role/platform" }

peering = {
  vpc_id          = "vpc-0f5ba1c0de000012"
  cidr            = "10.164.0.0/16"
  account_id      = "666677778888"
  region          = "eu-west-1"
  role_arn        = "arn:aws:iam::666677778888:role/gavel-prod-b-peering"
  route_table_ids = { private = "rtb-0f5ba1c0de000012" }
}

slack = { team_id = "T0GAVEL0001", channel_id = "C0PROD0000B" }
