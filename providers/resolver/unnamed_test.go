package resolver

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

// Strangers are not told which servers were asked.
func TestUnnamed(t *testing.T) {
	refused := &net.OpError{Op: "read", Net: "udp", Err: errors.New("connection refused")}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "<nil>"},
		{ServerError{"127.0.0.1:5399", errors.New("SERVFAIL")}, "the name server says SERVFAIL"},
		{ServerError{"127.0.0.1:5399", TimeoutError(time.Second)}, "no name server answers"},
		{fmt.Errorf("MX of x.it: %w", ServerError{"127.0.0.1:5399", refused}), "no name server answers"},
		{JoinErrors([]error{ServerError{"10.0.0.1:53", refused}, ServerError{"10.0.0.2:53", errors.New("REFUSED")}}), "no name server answers; the name server says REFUSED"},
		{errors.New("x.it has no address"), "x.it has no address"},
	} {
		if got := fmt.Sprint(Unnamed(c.err)); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
