package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// decodeStrictly reads one JSON value and nothing after it. Unknown fields and names
// that stand twice are errors: they would be lost when the file is written again. Errors
// begin with the line.
func decodeStrictly(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("line %d: %w", lineAt(data, errorOffset(data, err)), plainJSON(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("line %d: something follows the settings",
			lineAt(data, dec.InputOffset()))
	}

	dec = json.NewDecoder(bytes.NewReader(data))
	if err := onlyOnce(dec); err != nil {
		return fmt.Errorf("line %d: %w", lineAt(data, dec.InputOffset()), err)
	}

	return nil
}

// errorOffset returns the offset that an error of Decode is about.
func errorOffset(data []byte, err error) int64 {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return syntax.Offset
	case errors.As(err, &kind):
		return kind.Offset
	}

	if _, name, found := strings.Cut(err.Error(), "unknown field "); found {
		if i := bytes.Index(data, []byte(name)); i >= 0 {
			return int64(i)
		}
	}

	return int64(len(data))
}

// plainJSON says what a reader who never saw Go needs.
func plainJSON(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the file ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))
}

// onlyOnce reads one value, which Decode has read before, and fails at a name that stands
// twice in an object.
func onlyOnce(dec *json.Decoder) error {
	t, err := dec.Token()
	open, nested := t.(json.Delim)
	if err != nil || !nested {
		return err
	}

	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return err
			}

			name := strings.ToLower(fmt.Sprint(t)) // Decode ignores the case of fields
			if seen[name] {
				return fmt.Errorf("%q is there twice", t)
			}

			seen[name] = true
		}

		if err := onlyOnce(dec); err != nil {
			return err
		}
	}

	_, err = dec.Token()
	return err
}
