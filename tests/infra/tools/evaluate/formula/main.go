// What KEDA makes of a scaling formula: {"formula": "…", "triggers": [{"lag": 1, …}, …]} in, one number per element of triggers out.
// It compiles and runs the formula as KEDA does (apis/keda/v1alpha1/scaledobject_webhook.go): the names of the triggers are the only
// variables, and the result is cast to a float.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/expr-lang/expr"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var in struct {
		Formula  string
		Triggers []map[string]float64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	if len(in.Triggers) == 0 {
		return fmt.Errorf("no triggers to evaluate the formula with")
	}
	compiled, err := expr.Compile("float("+in.Formula+")", expr.Env(in.Triggers[0]))
	if err != nil {
		return err
	}
	results := make([]float64, len(in.Triggers))
	for i, values := range in.Triggers {
		out, err := expr.Run(compiled, values)
		if err != nil {
			return err
		}
		number, ok := out.(float64)
		if !ok {
			return fmt.Errorf("the formula gives a %T", out)
		}
		results[i] = number
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}
