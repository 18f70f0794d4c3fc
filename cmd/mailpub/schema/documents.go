// Package schema holds the JSON Schemas of the config file and of the documents that mailpub prints,
// for editors and programs.
package schema

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

// ID names the schema of the config; it is also where the latest one is.
const ID = "https://raw.githubusercontent.com/mailpub/mailpub/main/examples/mailpub.schema.json"

// Config is the schema of the config file, indented; "make docs" writes it.
//
//go:embed config.json
var Config string

//go:embed documents
var documents embed.FS

// Documents returns the names of the JSON documents that mailpub prints and that have a schema.
func Documents() []string { return []string{"plan", "report", "notice", "status", "error"} }

// Document returns the JSON Schema of a document, indented. Fields that it does not name may be added to a
// document later, so it permits them.
func Document(name string) ([]byte, error) {
	text, err := documents.ReadFile("documents/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("there is no document %q, want one of %s", name,
			strings.Join(Documents(), ", "))
	}

	defs, err := documents.ReadFile("documents/defs.json")
	if err != nil {
		return nil, err
	}

	own := strings.TrimSpace(string(text))
	head := fmt.Sprintf(`{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "%s",`,
		documentID(name))

	whole := head + strings.TrimSuffix(strings.TrimPrefix(own, "{"), "}")
	if strings.Contains(own, "#/$defs/") {
		whole += `, "$defs": ` + string(defs)
	}

	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(json.RawMessage(whole + "}")); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", name, err)
	}

	return []byte(out.String()), nil
}

// documentID names the schema of a document; it is also where the latest one is.
func documentID(name string) string {
	return "https://raw.githubusercontent.com/mailpub/mailpub/main/docs/reference/schemas/" +
		name + ".schema.json"
}
