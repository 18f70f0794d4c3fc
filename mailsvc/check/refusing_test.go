package check

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
)

// A server that puts everybody off is told of at once, and fails when that lasts.
func TestRefusing(t *testing.T) {
	for name, c := range map[string]struct {
		server *smtptest.Server
		status plan.Status
		got    string
	}{
		"takes mail": {&smtptest.Server{}, plan.Pass, "not deferred"},
		"a full disk": {&smtptest.Server{Reply: func(l string) string {
			if strings.HasPrefix(l, "MAIL") {
				return "452 4.3.1 Insufficient system storage"
			}
			return ""
		}}, plan.Fail, "452 4.3.1 Insufficient system storage"},
		"greylisting": {&smtptest.Server{Reply: func(l string) string {
			if strings.HasPrefix(l, "RCPT") {
				return "450 4.2.0 Greylisted, please come back"
			}
			return ""
		}}, plan.Skip, "Greylisted"},
		"refuses for good": {&smtptest.Server{Reply: func(l string) string {
			if strings.HasPrefix(l, "RCPT") {
				return "550 no such user"
			}
			return ""
		}}, plan.Pass, "not deferred"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := Facts{
					Hostname: "mail.nomeazienda.it",
					Addr:     "10.10.10.10:25",
					Domains:  []string{"nomeazienda.it"},
					Dial:     smtptest.Piped(c.server.Handle),
					pace:     new(serverPace),
				}

				got := f.refusing(t.Context())[0]
				if got.Status != c.status || !strings.Contains(got.Got, c.got) {
					t.Errorf("%s %q, want %s %q", got.Status, got.Got, c.status, c.got)
				}
			})
		})
	}
}

// The hint speaks of the cause that an answer names.
func TestHintOf(t *testing.T) {
	for text, want := range map[string]string{
		"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example": "block list",
		"550 5.7.1 <[10.0.0.1]>: Helo command rejected: no literals":                       "name in HELO",
		"530 5.7.0 Must issue a STARTTLS command first":                                    "TLS first",
		"552 5.3.4 Message size exceeds fixed limit, message size limit":                   "message size",
		"452 4.3.1 Insufficient system storage":                                            "disk is full",
		"421 4.7.0 Too many connections":                                                   "how much one client may ask",
		"550 5.1.1 User unknown":                                                           "",
	} {
		code, rest, _ := strings.Cut(text, " ")
		r := smtpclient.Reply{
			Code:  int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0'),
			Lines: []string{rest},
		}

		if got := hintOf(r); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: hint %q, want %q in it", text, got, want)
		}
	}
}
