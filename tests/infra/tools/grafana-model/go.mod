module gavel/tests/infra/grafana-model

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.18
