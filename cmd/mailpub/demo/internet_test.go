package demo

import (
	"context"
	"testing"
)

// Where the demo's Internet can't be made, that is an error and nothing is left of it.
func TestInternetThatFails(t *testing.T) {
	internet, err := StartWith(t.Context(), map[string]string{"nomeazienda.it.": "@ A no address\n"})
	if err == nil || internet != nil {
		t.Errorf("%v, %v", internet, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if internet, err := Start(ctx); err == nil {
		internet.Close()
	}
}
