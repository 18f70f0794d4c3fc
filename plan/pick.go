package plan

import (
	"context"
	"slices"
)

// SelectCheckers returns the checkers that report one of some areas or ids, and makes them report
// nothing else. Without any words it returns all as they are.
func SelectCheckers(checkers []Checker, words []string) (picked []Checker) {
	other := func(id string) bool { return !slices.Contains(words, id) }
	for _, c := range checkers {
		if len(words) == 0 || slices.Contains(words, c.Area) {
			picked = append(picked, c)
			continue
		}

		c.IDs = slices.DeleteFunc(slices.Clone(c.IDs), other)
		c.Also = slices.DeleteFunc(slices.Clone(c.Also), other)
		if len(c.IDs)+len(c.Also) == 0 {
			continue
		}

		run := c.Run
		c.Run = func(ctx context.Context) []Check {
			return slices.DeleteFunc(run(ctx), func(found Check) bool {
				return other(found.ID)
			})
		}

		picked = append(picked, c)
	}

	return picked
}
