package mailsvc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// weakLogins are the users and passwords that whoever guesses tries first. There are three: a
// server that counts failures starts to lock out after about five, and no more are needed to see
// that nobody looks after passwords.
func weakLogins() [][2]string {
	return [][2]string{{"root", "root"}, {"test", "test"}, {"admin", "password"}}
}

// weak tries to log in as nobody should be able to, where the server offers it: on port 25, else
// on that of submission.
func (f Facts) weak(ctx context.Context) []plan.Check {
	c := plan.Check{ID: "account.weak", Subject: f.Addr, Want: "root, test and admin can't log in with passwords that anybody guesses", Ref: "RFC 4954 section 4"}
	addrs := []string{f.Addr}
	for _, s := range f.Services {
		if _, port, _ := net.SplitHostPort(s.Addr); port == "587" {
			addrs = append(addrs, s.Addr)
		}
	}
	for _, addr := range addrs {
		c.Subject = addr
		said, opened, err := f.guess(ctx, addr)
		switch {
		case errors.Is(err, errNoAuth):
			continue
		case err != nil:
			return single(f.silent(c, err))
		case opened != "":
			c.Status, c.Got = plan.Fail, opened+" logs in with the password that is tried first"
			c.Hint = "remove the account or give it a password of its own, and look into the log for who used it already"
		default:
			c.Status, c.Got = plan.Pass, said
		}
		return single(c)
	}
	c.Status, c.Got = plan.Pass, "nobody can log in there: AUTH is not offered"
	return single(c)
}

var errNoAuth = errors.New("AUTH PLAIN is not offered")

// guess tries each login on one connection, under TLS where there is any. Where the server
// breaks off, or puts off after a refusal, it has had enough, and is not asked again.
func (f Facts) guess(ctx context.Context, addr string) (said, opened string, err error) {
	d, err := hello(ctx, f.Dial, addr)
	if err != nil {
		return "", "", err
	}
	defer d.close()
	if _, err = d.startTLS(ctx, f.Hostname); err == nil {
		err = d.greet(ctx)
	}
	if err != nil && !errors.Is(err, ErrNoTLS) {
		return "", "", err
	}
	if !d.offersPlain() {
		return "", "", errNoAuth
	}
	for i, l := range weakLogins() {
		r, err := d.say(ctx, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+l[0]+"\x00"+l[1])))
		switch {
		case err != nil && i == 0:
			return "", "", err
		case err != nil || r.Code == 421 || r.Code/100 == 4 && i > 0:
			return fmt.Sprintf("refused, and the server breaks off after %d", i), "", nil
		case r.accepted(): // 235
			return "", l[0], nil
		case r.Code/100 == 4:
			return "", "", fmt.Errorf("AUTH was answered %s", r)
		}
		said = r.String()
	}
	return said, "", nil
}

// offersPlain reports whether the answer to EHLO has AUTH PLAIN (RFC 4954 section 3, RFC 4616).
func (d *dialog) offersPlain() bool {
	return slices.ContainsFunc(d.Hello.Lines, func(l string) bool {
		words := strings.Fields(strings.ToUpper(strings.Replace(l, "=", " ", 1)))
		return len(words) > 1 && words[0] == "AUTH" && slices.Contains(words, "PLAIN")
	})
}
