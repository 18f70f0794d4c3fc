package metrics

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Content types of the two formats.
const (
	textType        = "text/plain; version=0.0.4; charset=utf-8"
	openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// Handler serves what write writes, and after it the metrics of the program itself, whose version it names.
func Handler(version string, write func(*Writer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out := &Writer{OpenMetrics: prefersOpenMetrics(r.Header.Values("Accept"))}
		write(out)
		writeProgram(out, version)
		kind := textType

		if out.OpenMetrics {
			kind = openMetricsType
		}

		w.Header().Set("Content-Type", kind)
		w.Header().Set("Vary", "Accept")
		_, _ = w.Write(out.Bytes())
	}
}

// prefersOpenMetrics reports whether a request would rather have OpenMetrics than plain text (RFC 9110 section 12.5.1).
func prefersOpenMetrics(accept []string) bool {
	var open, plain float64
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, options, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}

		weight := 1.0
		if q, given := options["q"]; given {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}

		version := options["version"]
		switch {
		case kind == "application/openmetrics-text" &&
			(version == "" || version == "1.0.0" || version == "0.0.1"):
			open = max(open, weight)
		case kind == "text/plain" && (version == "" || version == "0.0.4"):
			plain = max(plain, weight)
		}
	}

	return open > 0 && open >= plain
}
