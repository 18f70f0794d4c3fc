//go:build linux

package store

import (
	"fmt"
	"testing"
)

// One site, 1 %, 10 %, the rest; small fleets have no empty steps before the last.
func TestSteps(t *testing.T) {
	for n, want := range map[int]string{
		1:     "[1 0 0 0]",
		2:     "[1 1 0 0]",
		6:     "[1 1 1 3]",
		1000:  "[1 9 90 900]",
		10000: "[1 99 900 9000]",
	} {
		of := make([]int, len(steps))
		for i := range n {
			of[stepOf(i, n)]++
		}
		if got := fmt.Sprint(of); got != want {
			t.Errorf("%d sites: %s, want %s", n, got, want)
		}
	}
}
