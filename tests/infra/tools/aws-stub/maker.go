package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// maker makes up values of one account and region.
type maker struct {
	account, region string
}

func makerFor(config tftypes.Value) maker {
	m := maker{account: "000000000000", region: "eu-west-1"}
	var fields map[string]tftypes.Value
	if config.As(&fields) != nil {
		return m
	}
	if region := text(fields["region"]); region != "" {
		m.region = region
	}
	var accounts []tftypes.Value
	if fields["allowed_account_ids"].IsKnown() && fields["allowed_account_ids"].As(&accounts) == nil && len(accounts) > 0 {
		m.account = text(accounts[0])
	}
	return m
}

func text(value tftypes.Value) string {
	var found string
	if value.IsKnown() && !value.IsNull() && value.As(&found) == nil {
		return found
	}
	return ""
}

func random() string {
	bytes := make([]byte, 8)
	_, _ = rand.Read(bytes) // never fails
	return hex.EncodeToString(bytes)
}

// What is named by its owner; everything else gets a random name.
var named = []string{"name", "bucket", "cluster_name", "user_name", "function_name", "alias"}

// Where ARNs are not arn:aws:SERVICE:REGION:ACCOUNT:KIND/NAME with the first two words of the type.
var arns = map[string]string{
	"aws_iam_role":                    "arn:aws:iam::%[2]s:role/%[3]s",
	"aws_iam_policy":                  "arn:aws:iam::%[2]s:policy/%[3]s",
	"aws_iam_openid_connect_provider": "arn:aws:iam::%[2]s:oidc-provider/oidc.eks.%[1]s.amazonaws.com/id/%[3]s",
	"aws_s3_bucket":                   "arn:aws:s3:::%[3]s",
	"aws_msk_cluster":                 "arn:aws:kafka:%[1]s:%[2]s:cluster/%[3]s/1b9f4c1e-6a5c-4a0e-9c1c-2f1d6f1f7a11-5",
	"aws_sns_topic":                   "arn:aws:sns:%[1]s:%[2]s:%[3]s",
	"aws_sqs_queue":                   "arn:aws:sqs:%[1]s:%[2]s:%[3]s",
	"aws_cloudwatch_log_group":        "arn:aws:logs:%[1]s:%[2]s:log-group:%[3]s",
	"aws_cloudwatch_metric_alarm":     "arn:aws:cloudwatch:%[1]s:%[2]s:alarm:%[3]s",
	"aws_secretsmanager_secret":       "arn:aws:secretsmanager:%[1]s:%[2]s:secret:%[3]s-Zx8Kq1",
	"aws_ecr_repository":              "arn:aws:ecr:%[1]s:%[2]s:repository/%[3]s",
	"aws_dynamodb_table":              "arn:aws:dynamodb:%[1]s:%[2]s:table/%[3]s",
}

// The resources whose id is their name, or their ARN.
var ids = map[string]string{
	"aws_iam_role": "name", "aws_s3_bucket": "name", "aws_eks_cluster": "name", "aws_cloudwatch_log_group": "name", "aws_ecr_repository": "name",
	"aws_iam_policy": "arn", "aws_msk_cluster": "arn", "aws_sns_topic": "arn", "aws_secretsmanager_secret": "arn",
}

// fill makes up all that is unknown in the planned state of a resource.
func (m maker) fill(resource string, planned tftypes.Value) (tftypes.Value, error) {
	var fields map[string]tftypes.Value
	if err := planned.As(&fields); err != nil {
		return planned, err
	}
	name := random()
	for _, field := range named {
		if given := text(fields[field]); given != "" {
			name = given
			break
		}
	}
	words := strings.SplitN(strings.TrimPrefix(resource, "aws_"), "_", 2)
	form, ok := arns[resource]
	if !ok {
		form = "arn:aws:" + words[0] + ":%[1]s:%[2]s:" + strings.ReplaceAll(words[len(words)-1], "_", "-") + "/%[3]s"
	}
	arn := fmt.Sprintf(form, m.region, m.account, name)
	id := strings.ReplaceAll(strings.TrimPrefix(resource, "aws_"), "_", "-") + "-" + random()
	switch ids[resource] {
	case "name":
		id = name
	case "arn":
		id = arn
	}
	return tftypes.Transform(planned, func(path *tftypes.AttributePath, value tftypes.Value) (tftypes.Value, error) {
		if value.IsKnown() {
			return value, nil
		}
		field, _ := path.LastStep().(tftypes.AttributeName)
		return m.value(string(field), value.Type(), id, arn), nil
	})
}

func (m maker) value(field string, of tftypes.Type, id, arn string) tftypes.Value {
	switch {
	case of.Is(tftypes.String):
		switch {
		case field == "id":
			return tftypes.NewValue(of, id)
		case field == "arn":
			return tftypes.NewValue(of, arn)
		case field == "issuer":
			return tftypes.NewValue(of, "https://oidc.eks."+m.region+".amazonaws.com/id/"+strings.ToUpper(random()))
		case strings.HasPrefix(field, "policy"): // documents that nobody has given
			return tftypes.NewValue(of, "{}")
		}
		return tftypes.NewValue(of, field+"-"+random())
	case of.Is(tftypes.Number):
		return tftypes.NewValue(of, 1)
	case of.Is(tftypes.Bool):
		return tftypes.NewValue(of, false)
	}
	switch t := of.(type) {
	case tftypes.List:
		return tftypes.NewValue(of, []tftypes.Value{m.value(field, t.ElementType, id, arn)})
	case tftypes.Set:
		return tftypes.NewValue(of, []tftypes.Value{m.value(field, t.ElementType, id, arn)})
	case tftypes.Map:
		return tftypes.NewValue(of, map[string]tftypes.Value{})
	case tftypes.Object:
		fields := map[string]tftypes.Value{}
		for name, inner := range t.AttributeTypes {
			fields[name] = m.value(name, inner, id, arn)
		}
		return tftypes.NewValue(of, fields)
	}
	return tftypes.NewValue(of, nil)
}
