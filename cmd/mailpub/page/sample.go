package page

import (
	"io"
	"strconv"
	"strings"
)

// Sample writes one sample as Prometheus reads it (text exposition format 0.0.4). Labels are
// names and values in turn.
func Sample(w io.Writer, name string, value float64, labels ...string) {
	_, _ = w.Write(appendSample(make([]byte, 0, 128), name, value, labels...))
}

// appendSample appends a sample to a text. A large fleet has hundreds of thousands.
func appendSample(b []byte, name string, value float64, labels ...string) []byte {
	b = append(b, name...)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}

		b = append(b, sep)
		b = append(b, labels[i]...)
		b = append(b, '=', '"')
		b = appendLabel(b, labels[i+1])
		b = append(b, '"')
	}

	if len(labels) > 1 {
		b = append(b, '}')
	}

	b = append(b, ' ')
	b = strconv.AppendFloat(b, value, 'g', -1, 64)
	return append(b, '\n')
}

// SampleType is the content type of what Sample writes.
const SampleType = "text/plain; version=0.0.4; charset=utf-8"

// appendLabel escapes what the format has escapes for.
func appendLabel(b []byte, s string) []byte {
	if !strings.ContainsAny(s, "\\\"\n") {
		return append(b, s...)
	}

	for _, c := range []byte(s) {
		switch c {
		case '\\', '"':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, c)
		}
	}

	return b
}
