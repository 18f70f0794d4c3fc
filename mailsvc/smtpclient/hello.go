package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// helloName is what the checks call themselves: the address that they speak from, as
// RFC 5321 section 4.1.3 has it for a host without a name. Servers refuse names that do
// not resolve.
func helloName(conn net.Conn) string {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return InvalidDomain
	}

	a := local.AddrPort().Addr().Unmap().WithZone("")
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}

	return "[" + a.String() + "]"
}

// Hello opens a dialog and says EHLO. Where the server refuses an address for a name, it says the name of
// this machine.
func Hello(ctx context.Context, dial Dial, addr string) (*Conn, error) {
	d, err := HelloAs(ctx, dial, addr, "")
	if err == nil || d != nil || !errors.Is(err, errHello) {
		return d, err
	}
	return HelloAs(ctx, dial, addr, machineName())
}

// errHello means that EHLO was refused.
var errHello = errors.New("EHLO was answered")

// machineName is the name of this machine, as it may stand in EHLO.
func machineName() string {
	name, err := os.Hostname()
	if err != nil || !strings.Contains(name, ".") {
		return InvalidDomain
	}
	return name
}

// HelloAs opens a dialog and says EHLO with a name.
func HelloAs(ctx context.Context, dial Dial, addr, name string) (*Conn, error) {
	d, err := Connect(ctx, dial, addr)
	if err != nil {
		return nil, err
	}

	d.Name = name
	if d.Greeting.Code != 220 {
		err = fmt.Errorf("greeting is %s", d.Greeting)
	} else {
		err = d.Greet(ctx)
	}

	if err != nil {
		d.Close()
		return nil, err
	}

	return d, nil
}

// Greeting connects to an SMTP server and returns what it says first. dial may be nil.
func Greeting(ctx context.Context, dial Dial, addr string) (Reply, error) {
	d, err := Connect(ctx, dial, addr)
	if err != nil {
		return Reply{}, err
	}
	defer d.Close()
	return d.Greeting, nil
}

// GateAnswers is the gate before MX: it returns nil when something answers at addr as the mail
// host, by greeting and EHLO. dial may be nil.
func GateAnswers(ctx context.Context, dial Dial, addr, hostname string) error {
	d, err := Hello(ctx, dial, addr)
	if err != nil {
		return fmt.Errorf("no mail server answers at %s: %w", addr, err)
	}

	defer d.Close()

	switch name := CanonicalHost(hostname); {
	case d.Greeting.Name() != name:
		return fmt.Errorf("%s answers, but its greeting is %q, want the name %s", addr,
			d.Greeting, hostname)
	case d.Hello.Name() != name:
		return fmt.Errorf("%s answers, but its answer to EHLO is %q, want the name %s", addr,
			d.Hello, hostname)
	}

	return nil
}
