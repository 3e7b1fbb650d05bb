// Reads dashboards with the types that are generated from Grafana's own schemas, strictly: a field that Grafana does not know, of the
// dashboard, a panel's options or a query, is an error, and so is a value outside its bounds. What JSON alone would let pass is shown empty.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	failed := false
	for _, name := range os.Args[1:] {
		raw, err := os.ReadFile(name)
		if err == nil {
			read := dashboard.Dashboard{}
			if err = read.UnmarshalJSONStrict(raw); err == nil || err.Error() == "" {
				err = read.Validate()
			}
		}
		// The generated code hands an empty list of errors back as an error.
		if err != nil && err.Error() != "" {
			failed = true
			fmt.Printf("%s: %v\n", name, err)
		}
	}
	if failed {
		os.Exit(1)
	}
}
