package spf

import (
	"regexp"
	"sync"
)

// pattern compiles an expression at its first use: most commands need none of them.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
