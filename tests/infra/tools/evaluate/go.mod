module gavel/tools/evaluate

go 1.26.0

// The version that KEDA 2.20.2 is built with.
require github.com/expr-lang/expr v1.17.8
