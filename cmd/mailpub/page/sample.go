package page

import (
	"fmt"
	"io"
	"strings"
)

// Sample writes one sample as Prometheus reads it (text exposition format 0.0.4). Labels are
// names and values in turn.
func Sample(w io.Writer, name string, value float64, labels ...string) {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(&b, `%s%s="%s"`, sep, labels[i], quoteLabel(labels[i+1]))
	}
	if b.Len() > 0 {
		b.WriteByte('}')
	}
	fmt.Fprintf(w, "%s%s %g\n", name, b.String(), value)
}

// SampleType is the content type of what Sample writes.
const SampleType = "text/plain; version=0.0.4; charset=utf-8"

// quoteLabel escapes what the format has escapes for.
func quoteLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}
