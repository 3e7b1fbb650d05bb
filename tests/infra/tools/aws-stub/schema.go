package main

import (
	"encoding/json"
	"log"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type schema struct {
	Version int64
	Block   block
}

type block struct {
	Attributes map[string]attribute
	BlockTypes map[string]nested `json:"block_types"`
}

type attribute struct {
	Type                                    json.RawMessage
	Required, Optional, Computed, Sensitive bool
}

type nested struct {
	NestingMode string `json:"nesting_mode"`
	MinItems    int64  `json:"min_items"`
	MaxItems    int64  `json:"max_items"`
	Block       block
}

var nesting = map[string]tfprotov5.SchemaNestedBlockNestingMode{
	"single": tfprotov5.SchemaNestedBlockNestingModeSingle,
	"list":   tfprotov5.SchemaNestedBlockNestingModeList,
	"set":    tfprotov5.SchemaNestedBlockNestingModeSet,
	"map":    tfprotov5.SchemaNestedBlockNestingModeMap,
}

func (b block) served() *tfprotov5.SchemaBlock {
	served := &tfprotov5.SchemaBlock{}
	for name, a := range b.Attributes {
		of, err := tftypes.ParseJSONType(a.Type) //nolint:staticcheck // there is no other parser of types written as JSON
		if err != nil {
			log.Fatalf("the type of %s, %s: %v", name, a.Type, err)
		}
		served.Attributes = append(served.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: of, Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive,
		})
	}
	for name, n := range b.BlockTypes {
		served.BlockTypes = append(served.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Nesting: nesting[n.NestingMode], MinItems: n.MinItems, MaxItems: n.MaxItems, Block: n.Block.served(),
		})
	}
	return served
}

// leaveUnknown goes through a value of the block's type: what is computed and null becomes unknown, in nested blocks as well.
func (b block) leaveUnknown(value tftypes.Value) (tftypes.Value, error) {
	if value.IsNull() || !value.IsKnown() {
		return value, nil
	}
	var fields map[string]tftypes.Value
	if err := value.As(&fields); err != nil {
		return value, err
	}
	for name, a := range b.Attributes {
		if a.Computed && fields[name].IsNull() {
			fields[name] = tftypes.NewValue(fields[name].Type(), tftypes.UnknownValue)
		}
	}
	for name, n := range b.BlockTypes {
		if n.NestingMode == "set" {
			continue // an element of a set is found again by its value, which must not change
		}
		inner, err := n.leaveUnknown(fields[name])
		if err != nil {
			return value, err
		}
		fields[name] = inner
	}
	return tftypes.NewValue(value.Type(), fields), nil
}

func (n nested) leaveUnknown(value tftypes.Value) (tftypes.Value, error) {
	if n.NestingMode != "list" {
		return value, nil
	}
	if value.IsNull() || !value.IsKnown() {
		return value, nil
	}
	var blocks []tftypes.Value
	if err := value.As(&blocks); err != nil {
		return value, err
	}
	for i := range blocks {
		inner, err := n.Block.leaveUnknown(blocks[i])
		if err != nil {
			return value, err
		}
		blocks[i] = inner
	}
	return tftypes.NewValue(value.Type(), blocks), nil
}
