package lazy

import "testing"

func TestRegexp(t *testing.T) {
	number := Regexp(`^[0-9]+$`)
	first := number()
	if !first.MatchString("25") || first.MatchString("smtp") || number() != first {
		t.Error("it is compiled once, as it is written")
	}

	wrong := Regexp(`(`)
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression is compiled")
		}
	}()
	wrong()
}
