package main

import (
	"context"
	"testing"
)

// Where the demo's world can't be made, that is an error and nothing is left of it.
func TestOutsideThatFails(t *testing.T) {
	world, err := startOutsideWith(t.Context(), map[string]string{"nomeazienda.it.": "@ A no address\n"})
	if err == nil || world != nil {
		t.Errorf("%v, %v", world, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if world, err := startOutside(ctx); err == nil {
		world.close()
	}
}
