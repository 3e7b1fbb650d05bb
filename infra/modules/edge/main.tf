# The door of the audit console: nothing else of Gavel speaks HTTP to people. An internal load balancer; CloudFront in front of it only where
# somebody asked for that.

resource "aws_security_group" "balancer" {
  name        = "${var.name}-edge"
  description = "Load balancer of the audit console"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-edge" }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each = toset(concat(var.allowed_cidrs, var.public == null ? [] : [var.vpc_cidr]))

  security_group_id = aws_security_group.balancer.id
  description       = "HTTPS"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "targets" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "The console's pods"
  referenced_security_group_id = var.target_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.target_port
  to_port                      = var.target_port
}

resource "aws_vpc_security_group_ingress_rule" "targets" {
  security_group_id            = var.target_security_group_id
  description                  = "Load balancer of the audit console"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = var.target_port
  to_port                      = var.target_port
}

resource "aws_lb" "this" {
  # checkov:skip=CKV_AWS_91: the web ACL logs each request with its verdict; a second log without it adds nothing
  name                       = "${var.name}-edge"
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = var.subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = true
}

# Pods register themselves (TargetGroupBinding).
resource "aws_lb_target_group" "console" {
  # checkov:skip=CKV_AWS_378: behind the load balancer the mesh encrypts; its sidecars take plain HTTP from here alone
  name        = "${var.name}-console"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = var.target_port

  health_check {
    path    = "/healthz"
    matcher = "200"
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.console.arn
  }
}

module "acl" {
  source = "./acl"

  name          = "${var.name}-edge"
  scope         = "REGIONAL"
  allowed_cidrs = concat(var.allowed_cidrs, var.public == null ? [] : [var.vpc_cidr])
  log_key_arn   = var.log_key_arn
}

resource "aws_wafv2_web_acl_association" "balancer" {
  resource_arn = aws_lb.this.arn
  web_acl_arn  = module.acl.arn
}
