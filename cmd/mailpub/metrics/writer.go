// Package metrics writes metrics as Prometheus reads them: in its text format 0.0.4, and as OpenMetrics 1.0.0
// where a request prefers that. Every family has a help text and a type. It also tells of the program itself, its
// memory and its process.
//
// It knows no metric of a site; those are where their values are. The library of Prometheus would do the same, for 3 MB
// of the binary and more work at each start than all other packages together; the tests compare with it.
package metrics

import (
	"math"
	"strconv"
	"strings"
)

// Kind is a type of metric.
type Kind string

const (
	Counter   Kind = "counter" // its name ends in _total
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Writer writes families one after the other. A large fleet has hundreds of thousands of samples.
type Writer struct {
	// OpenMetrics has it write OpenMetrics 1.0.0.
	OpenMetrics bool

	text []byte
	name string // of the family
}

// Family begins a family. All its samples follow.
func (w *Writer) Family(name string, kind Kind, help string) {
	w.name = name
	family := name
	if w.OpenMetrics && kind == Counter {
		family = strings.TrimSuffix(name, "_total")
	}
	w.text = append(w.text, "# HELP "+family+" "+help+"\n# TYPE "+family+" "+string(kind)+
		"\n"...)
}

// Sample writes a sample of the family. Labels are names and values in turn.
func (w *Writer) Sample(value float64, labels ...string) {
	w.start("", labels)
	w.end(w.appendFloat(w.text, value))
}

// Single writes a family of one sample.
func (w *Writer) Single(name string, kind Kind, help string, value float64) {
	w.Family(name, kind, help)
	w.Sample(value)
}

// Bucket is how many observations were at most so large.
type Bucket struct {
	Most  float64
	Count uint64
}

// Histogram writes the samples of a histogram; its buckets begin with the smallest, and each contains those before it.
func (w *Writer) Histogram(buckets []Bucket, count uint64, sum float64) {
	for _, b := range buckets {
		most := string(w.appendFloat(nil, b.Most))
		w.count("_bucket", b.Count, "le", most)
	}

	w.count("_bucket", count, "le", "+Inf")
	w.start("_sum", nil)
	w.end(w.appendFloat(w.text, sum))
	w.count("_count", count)
}

// count writes a sample that is a whole number in both formats.
func (w *Writer) count(suffix string, value uint64, labels ...string) {
	w.start(suffix, labels)
	w.end(strconv.AppendUint(w.text, value, 10))
}

// start writes a sample up to its value.
func (w *Writer) start(suffix string, labels []string) {
	b := append(w.text, w.name...)
	b = append(b, suffix...)
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

	w.text = append(b, ' ')
}

func (w *Writer) end(text []byte) { w.text = append(text, '\n') }

// appendFloat writes a number. OpenMetrics wants numbers that are whole with a fraction: 1.0.
func (w *Writer) appendFloat(b []byte, value float64) []byte {
	from := len(b)
	b = strconv.AppendFloat(b, value, 'g', -1, 64)
	if w.OpenMetrics && !math.IsInf(value, 0) && !strings.ContainsAny(string(b[from:]), "e.N") {
		b = append(b, ".0"...)
	}
	return b
}

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

// Bytes returns what was written, with its end.
func (w *Writer) Bytes() []byte {
	if w.OpenMetrics {
		return append(w.text, "# EOF\n"...)
	}
	return w.text
}
