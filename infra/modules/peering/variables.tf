variable "name" {
  description = "Name of the peering, for example `gavel-dev-producers`."
  type        = string
}

variable "vpc" {
  description = "This side: its VPC, its range, and the route tables that need a way to the other side (the keys are known before anything exists)."
  type        = object({ id = string, cidr = string, route_table_ids = map(string) })
}

variable "peer" {
  description = "The other side, for example the VPC of the chat backend: VPC, range, account, region, and the route tables that need a way here."
  type        = object({ vpc_id = string, cidr = string, account_id = string, region = string, route_table_ids = map(string) })
}
