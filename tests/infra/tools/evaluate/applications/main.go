// What an ApplicationSet of Argo CD generates, without Argo CD: the ApplicationSet as JSON in; out, per generated Application, its template
// (as JSON) and its templatePatch (as text). Covers what is used here: one matrix of two lists, Go templates with missingkey=error, hasKey.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"text/template"
)

type list struct {
	List struct{ Elements []map[string]string }
}

type set struct {
	Spec struct {
		Generators    []struct{ Matrix struct{ Generators []list } }
		Template      json.RawMessage
		TemplatePatch string
	}
}

type generated struct {
	Template json.RawMessage `json:"template"`
	Patch    string          `json:"patch"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var in set
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	if len(in.Spec.Generators) != 1 || len(in.Spec.Generators[0].Matrix.Generators) != 2 {
		return fmt.Errorf("not one matrix of two lists")
	}
	lists := in.Spec.Generators[0].Matrix.Generators
	all := []generated{}
	for _, outer := range lists[0].List.Elements {
		for _, inner := range lists[1].List.Elements {
			values := maps.Clone(outer)
			maps.Copy(values, inner)
			made, err := fill(in.Spec.Template, values)
			if err != nil {
				return err
			}
			patch, err := expand(in.Spec.TemplatePatch, values)
			if err != nil {
				return err
			}
			raw, err := json.Marshal(made)
			if err != nil {
				return err
			}
			all = append(all, generated{raw, patch})
		}
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

func expand(text string, values map[string]string) (string, error) {
	has := func(m map[string]string, key string) bool { _, found := m[key]; return found }
	parsed, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"hasKey": has}).Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, values)
	return out.String(), err
}

// fill expands every string of the template.
func fill(raw json.RawMessage, values map[string]string) (any, error) {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	return walk(tree, values)
}

func walk(node any, values map[string]string) (any, error) {
	var err error
	switch node := node.(type) {
	case string:
		return expand(node, values)
	case []any:
		for i := range node {
			if node[i], err = walk(node[i], values); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range node {
			if node[key], err = walk(node[key], values); err != nil {
				return nil, err
			}
		}
	}
	return node, nil
}
