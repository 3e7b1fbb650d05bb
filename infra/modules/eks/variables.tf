variable "name" {
  description = "Name of the cluster, for example `gavel-dev`."
  type        = string
}

variable "region" {
  description = "Region, for the keys' policies."
  type        = string
}

variable "account_id" {
  description = "The account that owns the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Minor version; the versions of the add-ons belong to it."
  type        = string
  default     = "1.35"
}

variable "addons" {
  description = "Versions of the add-ons: `aws eks describe-addon-versions --kubernetes-version …` lists what there is."
  type = object({
    vpc-cni                = string
    kube-proxy             = string
    coredns                = string
    eks-pod-identity-agent = string
    aws-ebs-csi-driver     = string
  })
  default = {
    vpc-cni                = "v1.21.1-eksbuild.3"
    kube-proxy             = "v1.35.0-eksbuild.2"
    coredns                = "v1.13.2-eksbuild.1"
    eks-pod-identity-agent = "v1.3.10-eksbuild.2"
    aws-ebs-csi-driver     = "v1.54.0-eksbuild.1"
  }
}


variable "control_plane_subnet_ids" {
  description = "Where the control plane has its interfaces."
  type        = list(string)
}

variable "node_subnet_ids" {
  description = "Where the controllers' nodes are."
  type        = list(string)
}

variable "api_cidrs" {
  description = "Who besides the nodes may reach the API, for example the network of a VPN: name => range. It has no public address."
  type        = map(string)
  default     = {}
}

variable "administrators" {
  description = "Roles with full rights on the cluster: name => ARN. Whoever creates it gets none by that."
  type        = map(string)
}

variable "readers" {
  description = "Roles that may look at everything but secrets: name => ARN."
  type        = map(string)
  default     = {}
}

variable "controllers" {
  description = "Nodes of the controllers (Karpenter, KEDA, Argo CD, …): what must run before there is anything that could start nodes."
  type        = object({ instance_types = list(string), size = number })
}

variable "log_days" {
  description = "Days that the control plane's logs are kept."
  type        = number
  default     = 365
}

variable "deletion_protection" {
  description = "Whether the cluster can be deleted at all."
  type        = bool
  default     = true
}
