package postfix

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/plan/mail"
)

// dropInText lets Dovecot answer Postfix, and nobody else, who may log in.
func dropInText(path string) string {
	return `# Postfix asks here who may log in. Written by mailpub; "mailpub destroy" removes it.
service auth {
  unix_listener ` + path + ` {
    mode = 0660
    user = postfix
    group = postfix
  }
}
`
}

// listens reports whether Dovecot's configuration has a listener at path.
func (d *Driver) listens(ctx context.Context, path string) (bool, error) {
	out, err := d.run(ctx, "doveconf", "-c", d.Dovecot, "-n")
	if err != nil {
		return false, err
	}
	return strings.Contains(out, "unix_listener "+path+" {"), nil
}

// readListener returns where Postfix asks who may log in: at our socket, or where an administrator has it.
func (d *Driver) readListener(ctx context.Context, s *state) (lines []string, unknown string) {
	if where := s.asksElsewhere(); where != "" {
		return []string{where}, ""
	}

	listens, err := d.listens(ctx, s.socket())
	switch {
	case err != nil:
		return nil, err.Error()
	case listens:
		return []string{socket}, ""
	}

	return nil, ""
}

// asksElsewhere is the place that logins are asked at where that is not our socket: they work without it.
func (s *state) asksElsewhere() string {
	if text := s.loginsElsewhere("smtpd_sasl_path"); text != "" {
		return text
	}

	path := s.set["smtpd_sasl_path"]
	if s.effective["smtpd_sasl_auth_enable"] != "yes" || path == "" || path == socket {
		return ""
	}

	return path
}

// dovecotRuns reports whether Dovecot's master process is there.
func (d *Driver) dovecotRuns(ctx context.Context) bool {
	base, err := d.run(ctx, "doveconf", "-c", d.Dovecot, "-h", "base_dir")
	if err != nil {
		return false
	}

	pid, err := os.ReadFile(filepath.Join(strings.TrimSpace(base), "master.pid"))
	if err != nil {
		return false
	}

	_, err = os.Stat("/proc/" + strings.TrimSpace(string(pid)))
	return err == nil
}

// strength are the PAM modules that refuse weak passwords.
var strength = lazy.Regexp(`(?m)^\s*password\s.*\bpam_(pwquality|passwdqc|cracklib)\.so`)

// readPasswords sees whether weak passwords are refused where they are chosen. Neither Postfix
// nor Dovecot ever sees a password being chosen: where accounts are the system's, PAM does.
func (d *Driver) readPasswords(ctx context.Context) (lines []string, unknown string) {
	out, err := d.run(ctx, "doveconf", "-c", d.Dovecot, "-n", "passdb")
	switch {
	case err != nil:
		return nil, err.Error()
	case !strings.Contains(out, "driver = pam"):
		return nil, "passwords are not the system's: whatever manages them has to refuse weak ones"
	}

	rules, err := os.ReadFile(d.PAM)
	if err != nil {
		return nil, err.Error()
	}
	if strength().Match(rules) {
		return []string{mail.StrongOnly}, ""
	}

	return nil, ""
}
