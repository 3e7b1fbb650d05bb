mock_provider "aws" {}

mock_provider "aws" {
  alias = "us_east_1"
}

variables {
  name                     = "gavel-test"
  vpc_id                   = "vpc-1"
  vpc_cidr                 = "10.16.0.0/16"
  subnet_ids               = ["subnet-1", "subnet-2", "subnet-3"]
  target_security_group_id = "sg-nodes"
  certificate_arn          = "arn:aws:acm:eu-west-1:111122223333:certificate/c"
  allowed_cidrs            = ["10.200.0.0/16"]
  log_key_arn              = "arn:aws:kms:eu-west-1:111122223333:key/k"
}

run "private_unless_somebody_says_otherwise" {
  command = apply

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  assert {
    condition     = aws_lb.this.internal && length(aws_cloudfront_distribution.this) == 0 && length(aws_cloudfront_vpc_origin.balancer) == 0 && length(module.public_acl) == 0
    error_message = "the console is on the internet"
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.https) == ["10.200.0.0/16"] && module.acl.blocks_strangers
    error_message = "others than the known networks reach it"
  }

  assert {
    condition     = aws_wafv2_web_acl_association.balancer.resource_arn == aws_lb.this.arn && aws_wafv2_web_acl_association.balancer.web_acl_arn == module.acl.arn
    error_message = "the web ACL protects nothing"
  }

  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && strcontains(aws_lb_listener.https.ssl_policy, "TLS13")
    error_message = "plain HTTP, or an old TLS"
  }
}

run "public_behind_cloudfront_and_its_own_acl" {
  command = apply

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  variables {
    public = { aliases = ["audit.example.com"], certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/p" }
  }

  assert {
    condition     = aws_lb.this.internal
    error_message = "the load balancer itself never has a public address"
  }

  assert {
    condition     = aws_cloudfront_distribution.this[0].web_acl_id == module.public_acl[0].arn && module.public_acl[0].blocks_strangers
    error_message = "the whole internet gets in"
  }

  assert {
    condition     = aws_cloudfront_distribution.this[0].default_cache_behavior[0].viewer_protocol_policy == "https-only" && aws_cloudfront_distribution.this[0].default_cache_behavior[0].allowed_methods == toset(["GET", "HEAD"])
    error_message = "the console is read, and by HTTPS alone"
  }
}

run "everybody_is_no_network" {
  command = plan

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  variables {
    allowed_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.allowed_cidrs]
}
