// Package lazy makes at its first use what most commands need none of, so that no start pays for it.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp compiles an expression when it is first called. An expression that is wrong panics then.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
