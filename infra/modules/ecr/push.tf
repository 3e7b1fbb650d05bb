# Who pushes: a workflow of one GitHub repository, by a token that lives for minutes. There is no key to lose.

resource "aws_iam_openid_connect_provider" "github" {
  count = var.push_from == null ? 0 : 1

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "push" {
  count = var.push_from == null ? 0 : 1

  name = "${var.name}-image-push"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.github[0].arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
        # A pull request's token has another subject: nothing that was not merged is pushed.
        StringLike = { "token.actions.githubusercontent.com:sub" = ["repo:${var.push_from}:ref:refs/heads/main", "repo:${var.push_from}:ref:refs/tags/v*"] }
      }
    }]
  })
}

resource "aws_iam_role_policy" "push" {
  count = var.push_from == null ? 0 : 1

  name = "push"
  role = aws_iam_role.push[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "SignIn", Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = aws_ecr_repository.this.arn
      },
    ]
  })
}
