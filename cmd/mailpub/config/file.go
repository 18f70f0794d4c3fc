package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/spf13/viper"
)

// file is a config file as it was read.
type file struct {
	path   string
	lines  Lines
	fields map[string]any
	digest [sha256.Size]byte
}

// Source is a file that a config was read from.
type Source struct {
	Path   string
	Digest [sha256.Size]byte // SHA-256 of what was read
}

func (f file) source() Source { return Source{f.path, f.digest} }

// readFile parses a file for what it holds and where in it that is. The error is an Errors.
func readFile(path string, data []byte) (f file, err error) {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if format == "yml" {
		format = "yaml"
	}

	f.path = path
	f.digest = sha256.Sum256(data)
	data = []byte(text(data))
	if f.lines, f.fields, err = linesOf(format, data); err == nil && f.fields == nil { // TOML
		v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
		v.SetConfigType(format)
		err = v.ReadConfig(bytes.NewReader(data))
		f.fields = v.AllSettings()
	}

	if err != nil {
		return f, Errors{syntaxProblem(path, format, data, err)}
	}

	return f, nil
}

// text returns the text of a field at the top, however its name is spelt; "" where there is none.
func (f file) text(name string) string {
	for key, v := range f.fields {
		if s, ok := v.(string); ok && strings.EqualFold(key, name) {
			return s
		}
	}
	return ""
}

// text is what a file says that an editor or a shell of Windows may have written: with a byte
// order mark, or in UTF-16, as "..." > FILE of Windows PowerShell does.
func text(data []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return string(data[3:])
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return string(data)
	}

	var units []uint16
	for pair := range slices.Chunk(data[2:], 2) {
		if len(pair) == 2 {
			units = append(units, order.Uint16(pair))
		}
	}

	return string(utf16.Decode(units))
}

// delimiter joins keys inside viper. It stands in no key, so names with dots stay whole.
const delimiter = "::"
