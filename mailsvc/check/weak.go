package check

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
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
	c := plan.Check{
		ID:      catalog.AccountWeak,
		Subject: plan.OfAddr(f.Addr),
		Want:    "root, test and admin cannot log in with guessable passwords",
		Ref:     "RFC 4954 section 4",
	}

	addrs := []string{f.Addr}
	for _, s := range f.Services {
		if _, port, _ := net.SplitHostPort(s.Addr); port == "587" {
			addrs = append(addrs, s.Addr)
		}
	}

	for _, addr := range addrs {
		c.Subject = plan.OfAddr(addr)
		said, opened, err := f.tryWeakLogins(ctx, addr)
		switch {
		case errors.Is(err, errNoAuth):
			continue
		case err != nil:
			return singleCheck(f.unreachable(c, err))
		case opened != "":
			c.Status = plan.Fail
			c.Got = opened + " logs in with the password that is tried first"
			c.Hint = "remove the account or give it a strong password, and check the log for past logins"
		default:
			c.Status = plan.Pass
			c.Got = said
		}

		return singleCheck(c)
	}

	c.Status = plan.Pass
	c.Got = "logins are not possible there: AUTH is not offered"
	return singleCheck(c)
}

var errNoAuth = errors.New("AUTH PLAIN is not offered")

// tryWeakLogins tries the logins, each on a connection of its own and all at once: servers keep whoever
// failed waiting for a while, and the next one from there longer. Where the server answers at least one
// login and puts off or breaks off the others, it has had enough, and is not asked again.
func (f Facts) tryWeakLogins(ctx context.Context, addr string) (said, opened string, err error) {
	logins := weakLogins()
	replies := make([]smtpclient.Reply, len(logins))
	errs := make([]error, len(logins))
	var wg sync.WaitGroup

	for i, l := range logins {
		wg.Go(func() { replies[i], errs[i] = f.login(ctx, addr, l[0], l[1]) })
	}

	wg.Wait()
	refused := 0
	for i, r := range replies {
		switch {
		case errors.Is(errs[i], errNoAuth):
			return "", "", errNoAuth
		case errs[i] != nil:
			err = errs[i]
		case r.Accepted(): // 235
			return "", logins[i][0], nil
		case r.Code/100 == 4:
			err = fmt.Errorf("AUTH was answered %s", r)
		default:
			refused++
			said = r.String()
		}
	}

	switch {
	case refused == 0:
		return "", "", err
	case err != nil:
		return fmt.Sprintf("refused, and the server breaks off after %d", refused), "", nil
	}

	return said, "", nil
}

// login tries one login, under TLS where there is any.
func (f Facts) login(ctx context.Context, addr, user, password string) (smtpclient.Reply, error) {
	d, err := smtpclient.Hello(ctx, f.Dial, addr)
	if err != nil {
		return smtpclient.Reply{}, err
	}

	defer d.Close()

	if _, err = d.StartTLS(ctx, f.Hostname); err == nil {
		err = d.Greet(ctx)
	}

	if err != nil && !errors.Is(err, smtpclient.ErrNoTLS) {
		return smtpclient.Reply{}, err
	}
	if !d.OffersPlain() {
		return smtpclient.Reply{}, errNoAuth
	}

	return d.Command(ctx, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user+
		"\x00"+password)))
}
