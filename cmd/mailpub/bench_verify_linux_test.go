package main

import (
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan/catalog"
)

// BenchmarkVerify is the whole of verify of a site that calls for every check, in the lab, with a
// probe outside, against the slowest of its checks alone.
func BenchmarkVerify(b *testing.B) {
	in := newInternet(b)
	tw := in.found(b)
	in.publish(b, nil)
	tw.open(b)
	timed := func(args ...string) time.Duration {
		start := time.Now()
		tw.mailpub(exitOK, append([]string{"verify"}, args...)...)
		return time.Since(start)
	}

	timed() // what a first look warms up is warm for both
	slowest := time.Duration(0)
	id := ""

	for _, one := range catalog.IDs() {
		if took := timed("--only", one); took > slowest {
			slowest, id = took, one
		}
	}

	var whole, alone time.Duration
	for b.Loop() {
		whole += timed()
		alone += timed("--only", id)
	}

	n := float64(b.N)
	b.Logf("the slowest check is %s", id)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(whole.Seconds()*1e3/n, "ms/verify")
	b.ReportMetric(alone.Seconds()*1e3/n, "ms/slowest")
	b.ReportMetric(whole.Seconds()/alone.Seconds(), "x-slowest")
}
