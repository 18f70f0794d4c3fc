package zone

import (
	"fmt"

	"github.com/mailpub/mailpub/plan"
)

// DidYouMean returns `, did you mean "..."` for the nearest of the known names, or
// nothing where none is near.
func DidYouMean(name string, known []string) string {
	best := plan.Nearest(name, known)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q", best)
}
