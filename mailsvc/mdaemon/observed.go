package mdaemon

import (
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// longEnough keeps a length that is at least what is wanted.
func longEnough(observed, wanted []string) []string {
	is, err := strconv.Atoi(observed[0])
	want, _ := strconv.Atoi(wanted[0])
	if err == nil && is >= want {
		return observed
	}
	return wanted
}

func unreadable(k plan.Key, why string) *plan.Item {
	return &plan.Item{
		Key:        k,
		Unreadable: why,
	}
}

// unreachableItem is of what the XML API would have told.
func unreachableItem(k plan.Key, err error) *plan.Item {
	return &plan.Item{Key: k, Unreadable: err.Error(), Silent: true}
}

func observedItem(k plan.Key, text string) *plan.Item {
	return &plan.Item{Key: k, Lines: []string{text}}
}

// isRow matches a line that holds one word and nothing else.
func isRow(word string) func(string) bool {
	return func(line string) bool {
		return strings.EqualFold(strings.TrimSpace(line), word)
	}
}

func major(version string) string {
	m, _, _ := strings.Cut(version, ".")
	return m
}
