# CloudFront with an origin inside the VPC: the load balancer stays internal in either case.

module "public_acl" {
  source = "./acl"
  count  = var.public == null ? 0 : 1

  providers = { aws = aws.us_east_1 }

  name          = "${var.name}-public"
  scope         = "CLOUDFRONT"
  allowed_cidrs = var.allowed_cidrs
}

resource "aws_cloudfront_vpc_origin" "balancer" {
  count = var.public == null ? 0 : 1

  vpc_origin_endpoint_config {
    name                   = "${var.name}-edge"
    arn                    = aws_lb.this.arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = "https-only"

    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

resource "aws_cloudfront_distribution" "this" {
  # checkov:skip=CKV_AWS_86: the web ACL logs each request with its verdict
  # checkov:skip=CKV_AWS_310: one console, one origin: without it there is nothing to show
  # checkov:skip=CKV_AWS_374: who may look is decided by network, not by country
  # checkov:skip=CKV_AWS_305: the console answers at `/` itself
  # checkov:skip=CKV2_AWS_47: the rule set for Log4j is for Java; nothing behind this door runs any
  # checkov:skip=CKV2_AWS_32: AWS's own policy of security headers is attached by its id; checkov looks for one made here
  count = var.public == null ? 0 : 1

  comment         = "Audit console of ${var.name}"
  enabled         = true
  is_ipv6_enabled = false # the list of known networks is one of IPv4
  aliases         = var.public.aliases
  web_acl_id      = module.public_acl[0].arn
  price_class     = "PriceClass_100"

  origin {
    origin_id   = "console"
    domain_name = aws_lb.this.dns_name

    vpc_origin_config {
      vpc_origin_id = aws_cloudfront_vpc_origin.balancer[0].id
    }
  }

  default_cache_behavior {
    target_origin_id           = "console"
    viewer_protocol_policy     = "https-only"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    cache_policy_id            = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" # AWS's CachingDisabled: an audit is never stale
    origin_request_policy_id   = "216adef6-5c7f-47e4-b989-5492eafa07d3" # AWS's AllViewer
    response_headers_policy_id = "67f7725c-6f97-4210-82d7-5512b31e9d03" # AWS's SecurityHeadersPolicy
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = var.public.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}
