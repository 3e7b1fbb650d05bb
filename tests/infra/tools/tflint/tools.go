//go:build tools

package tools

import (
	_ "github.com/terraform-linters/tflint"
	_ "github.com/terraform-linters/tflint-ruleset-aws"
)
