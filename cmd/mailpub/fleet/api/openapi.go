package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/lazy"
)

// openAPI serves the document that describes the API (OpenAPI 3.1). It is made of the routes themselves.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, OpenAPIDocument(s.Version))
}

// object is a JSON object.
type object = map[string]any

// OpenAPIDocument is the OpenAPI document.
func OpenAPIDocument(version string) map[string]any {
	schemas := object{}
	paths := object{}
	for _, r := range routes() {
		path := strings.ReplaceAll(prefix+r.path, "...}", "}")
		at, ok := paths[path].(object)
		if !ok {
			at = object{}
			paths[path] = at
		}
		at[strings.ToLower(r.method)] = r.operation(schemas)
	}

	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "mailpub fleet",
			"version":     version,
			"description": "Sites, plans, approvals and people of a fleet. What belongs to a tenant in which the caller has no role does not exist: 404.",
		},
		"security": []any{object{"token": []any{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
			"schemas":         schemas,
		},
	}
}

// parameter finds the parameters in a path.
var parameter = lazy.Regexp(`\{([a-z]+)(\.\.\.)?\}`)

func (r route) operation(schemas object) object {
	params := []any{}
	for _, m := range parameter().FindAllStringSubmatch(r.path, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true,
			"schema": object{"type": "string"}})
	}

	for _, q := range r.query {
		params = append(params, object{"name": q, "in": "query",
			"schema": object{"type": "string"}})
	}

	if r.text {
		params = append(params, object{"name": "If-Match", "in": "header", "required": true,
			"schema": object{"type": "string"}})
	}

	problem := object{"description": "an error",
		"content": object{"application/problem+json": object{"schema": schemaOf(reflect.TypeFor[Problem](),
			schemas)}}}

	ok := object{"description": r.summary}
	switch r.out.(type) {
	case nil:
	case rawText:
		ok["content"] = object{"text/plain": object{"schema": object{"type": "string"}}}
	default:
		ok["content"] = object{"application/json": object{"schema": schemaOf(reflect.TypeOf(r.out),
			schemas)}}
	}

	op := object{
		"operationId":    r.id,
		"summary":        r.summary,
		"description":    "Needs the role " + r.role.String() + ".",
		"parameters":     params,
		"responses":      object{statusKey(r.status()): ok, "default": problem},
		"x-mailpub-role": r.role.String(),
	}

	switch {
	case r.text:
		op["requestBody"] = object{"required": true,
			"content": object{"text/plain": object{"schema": object{"type": "string"}}}}
	case r.in != nil:
		op["requestBody"] = object{"required": true,
			"content": object{"application/json": object{"schema": schemaOf(reflect.TypeOf(r.in),
				schemas)}}}
	}

	return op
}

func statusKey(status int) string {
	text, _ := json.Marshal(status)
	return string(text)
}

// schemaOf returns the JSON Schema of a type; structs are put into schemas and referred to.
func schemaOf(t reflect.Type, schemas object) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{}
	}

	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), schemas)
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem(), schemas)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem(), schemas)}
	case reflect.Struct:
		if _, known := schemas[t.Name()]; !known {
			schemas[t.Name()] = nil
			schemas[t.Name()] = structSchema(t, schemas)
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	}

	return object{"type": "string"}
}

func structSchema(t reflect.Type, schemas object) object {
	properties := object{}
	required := []any{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		properties[name] = schemaOf(t.Field(i).Type, schemas)
		if options == "" {
			required = append(required, name)
		}
	}

	return object{"type": "object", "properties": properties, "required": required,
		"additionalProperties": false}
}
