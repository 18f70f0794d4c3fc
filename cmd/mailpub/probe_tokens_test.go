package main

import (
	"strings"
	"testing"
)

// Two sites with one token could not be told apart.
func TestTokensOfTheProbe(t *testing.T) {
	t.Setenv("ONE", strings.Repeat("a", 40))
	t.Setenv("SAME", strings.Repeat("a", 40))
	t.Setenv("TWO", strings.Repeat("b", 40))
	if tokens, err := tokensOf(t.Context(), []string{"office=env:ONE",
		"home=env:TWO"}); err != nil || len(tokens) != 2 {
		t.Errorf("%d tokens, %v", len(tokens), err)
	}

	_, err := tokensOf(t.Context(), []string{"office=env:ONE", "home=env:SAME"})
	if err == nil || !strings.Contains(err.Error(), "have the same token") ||
		strings.Contains(err.Error(), "aaaa") {
		t.Errorf("one token for two sites: %v", err)
	}
}
