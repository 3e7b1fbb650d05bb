environment = "prod-a"
account_id  = "333344445555"
vpc_cidr    = "10.48.0.0/16"

administrators = { terraform = "arn:aws:iam::333344445555:role/gavel-prod-a-terraform", platform = "arn:aws:iam::333344445555:role/platform" }

peering = {
  vpc_id          = "vpc-0f5ba1c0de000011"
  cidr            = "10.148.0.0/16"
  account_id      = "666677778888"
  region          = "eu-west-1"
  role_arn        = "arn:aws:iam::666677778888:role/gavel-prod-a-peering"
  route_table_ids = { private = "rtb-0f5ba1c0de000011" }
}

slack = { team_id = "T0GAVEL0001", channel_id = "C0PROD0000A" }
