package site

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/redact"
)

const (
	tokenOfTest    = "PROBETOKEN-4711"
	passwordOfTest = `MAILBOX/pass"word`
)

// imapThatRepeats is a mail server that refuses each login with what it was sent.
func imapThatRepeats(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go repeatLogins(conn)
		}
	}()

	return l.Addr().String()
}

func repeatLogins(conn net.Conn) {
	defer conn.Close()

	fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		switch {
		case strings.HasPrefix(command, "CAPABILITY"):
			fmt.Fprintf(conn, "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n%s OK\r\n", tag)
		case strings.HasPrefix(command, "AUTHENTICATE"):
			fmt.Fprintf(conn, "%s NO %s means the password %s, which is wrong\r\n", tag,
				command, passwordOfTest)
		default:
			fmt.Fprintf(conn, "%s OK\r\n", tag)
		}
	}
}

// What a mail server and a probe say with the secrets of the config in it reaches no result without them being
// taken out.
func TestSecretsThatAreRepeated(t *testing.T) {
	external := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]string{"format": probe.Format,
			"error": "not for " + r.Header.Get("Authorization")})
	}))

	defer external.Close()

	dir := t.TempDir()
	for name, text := range map[string]string{
		"token":    tokenOfTest,
		"password": passwordOfTest,
		"mailpub.yaml": `site: office
server: {hostname: mail.nomeazienda.it, address: 127.0.0.1, public: {ipv4: 192.0.2.1, ipv6: none}}
domains: [{name: nomeazienda.it}]
zones: [{name: nomeazienda.it, provider: manual}]
router: {protocol: none}
service: {type: manual}
verify:
  resolvers: ["127.0.0.1:1"]
  probe: {url: "` + external.URL + `", token: "file:token", fingerprint: "` +
			probe.Fingerprint(external.Certificate()) + `"}
  reports: {imap: "` + imapThatRepeats(t) + `", user: mario, password: "file:password"}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := OpenFile(t.Context(), filepath.Join(dir, "mailpub.yaml"), Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}

	_, err = s.Reports(t.Context(), nil, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "means the password "+redact.Mark) {
		t.Errorf("reports: %v", err)
	}

	report := s.Verify(t.Context(), []string{"port.outside", "dmarc.senders", "reports.read"})
	whole, marshalErr := json.Marshal(report)
	if marshalErr != nil || !strings.Contains(string(whole), "not for Bearer "+redact.Mark) {
		t.Errorf("%s, %v", whole, marshalErr)
	}

	s.options.logger().Error(passwordOfTest, "text", passwordOfTest,
		slog.Group("g", "error", errors.New(tokenOfTest)))

	s.options.logger().With("token", tokenOfTest).WithGroup("h").Info("x", "list",
		[]string{tokenOfTest})

	for _, secret := range []string{tokenOfTest, passwordOfTest} {
		for _, spelling := range redact.Spellings(secret) {
			if strings.Contains(fmt.Sprint(err)+string(whole)+logged.String(), spelling) {
				t.Errorf("%q is in %v, %s, %s", spelling, err, whole, &logged)
			}
		}
	}

	if plain := base64.StdEncoding.EncodeToString([]byte("\x00mario\x00" +
		passwordOfTest)); strings.Contains(fmt.Sprint(err), plain) {
		t.Errorf("%v", err)
	}

	if strings.Count(logged.String(), redact.Mark) != 5 {
		t.Errorf("%s", &logged)
	}
}

// What is compared and saved stays as it was read; what is said of it does not.
func TestSecretsInPlans(t *testing.T) {
	var secrets redact.Set
	secrets.Add(tokenOfTest)
	p := Plan{Plan: &plan.Plan{
		Changes: []plan.Change{{Reason: "it says " + tokenOfTest, Before: []string{tokenOfTest}}},
		Failed:  []plan.PartyError{{Err: errors.New("no " + tokenOfTest)}},
	}}

	p.redact(&secrets)
	if c := p.Changes[0]; c.Reason != "it says [secret]" || c.Before[0] != tokenOfTest {
		t.Errorf("%+v", c)
	}

	if err := p.Failed[0].Err; err.Error() != "no [secret]" {
		t.Error(err)
	}
}
