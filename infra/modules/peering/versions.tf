terraform {
  required_version = ">= 1.8"
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      version               = "~> 6.66"
      configuration_aliases = [aws, aws.peer]
    }
  }
}
