package postfix

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

// running reports whether Postfix's master is there.
func (d *Driver) running(ctx context.Context) bool {
	_, err := d.run(ctx, "postfix", "-c", d.Dir, "status")
	return err == nil
}

// reload lets a running Postfix read its files again. New listeners need a restart
// (postconf(5), inet_interfaces). Where systemd started it, systemd restarts it: else it
// would take Postfix for dead.
func (d *Driver) reload(ctx context.Context, restart bool) error {
	if !restart {
		_, err := d.run(ctx, "postfix", "-c", d.Dir, "reload")
		return err
	}

	if _, err := os.Stat("/run/systemd/system"); err == nil && d.Dir == "/etc/postfix" {
		_, err := d.run(ctx, "systemctl", "restart", "postfix")
		return err
	}

	if _, err := d.run(ctx, "postfix", "-c", d.Dir, "stop"); err != nil {
		return err
	}

	_, err := d.run(ctx, "postfix", "-c", d.Dir, "start")
	return err
}

// answers asks by SMTP whether the server is who it should be: on the LAN, or where it listens
// when that is elsewhere.
func (d *Driver) answers(ctx context.Context, hostname, interfaces string) error {
	return smtpclient.GateAnswers(ctx, d.Dial, d.answerAddr(interfaces), hostname)
}

// answerAddr is where the server answers: on the LAN, or where it listens when that is elsewhere.
func (d *Driver) answerAddr(interfaces string) string {
	host, port, err := net.SplitHostPort(d.Addr)
	if err != nil {
		return d.Addr
	}

	list := elements(interfaces)
	switch {
	case len(list) == 0, slices.Contains(list, "all"), slices.Contains(list, host):
	case slices.Contains(list, "loopback-only"), slices.Contains(list, "localhost"):
		host = "127.0.0.1"
	default:
		host = strings.Trim(list[0], "[]")
	}

	return net.JoinHostPort(host, port)
}
