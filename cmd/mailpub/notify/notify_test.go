package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

func notice() watch.Notice {
	return watch.Notice{
		Format: watch.NoticeFormat,
		Site:   "nomeazienda",
		Host:   "mail.nomeazienda.it",
		Kind:   watch.Broke,
		Title:  "broken: mx.exists nomeazienda.it",
		Text:   "broken: mx.exists nomeazienda.it\n- it is gone",
	}
}

func TestWebhook(t *testing.T) {
	const secret = "of-the-webhook"
	var body, at, signature string
	answer := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		body, at, signature = string(data), r.Header.Get(TimestampHeader), r.Header.Get(SignatureHeader)
		if answer == http.StatusFound {
			http.Redirect(w, r, "/elsewhere", answer)
			return
		}
		w.WriteHeader(answer)
	}))

	defer server.Close()

	hook := Webhook(server.URL+"/hook?token=t0ps3cret", secret)
	if err := hook.Send(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}

	var got watch.Notice
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Title != notice().Title ||
		got.Format != "mailpub/notice/v1" {
		t.Errorf("%v %s", err, body)
	}

	if want := "sha256=" + Sign(secret, at, []byte(body)); signature != want || at == "" {
		t.Errorf("signature %q, want %q", signature, want)
	}

	for _, code := range []int{http.StatusInternalServerError, http.StatusFound} {
		answer = code
		if err := hook.Send(t.Context(), notice()); err == nil ||
			!strings.Contains(err.Error(), fmt.Sprint(code)) {
			t.Errorf("%d: %v", code, err)
		}
	}

	server.Close()
	err := hook.Send(t.Context(), notice())
	if err == nil || strings.Contains(err.Error(), "t0ps3cret") ||
		strings.Contains(err.Error(), "/hook") {
		t.Errorf("of a server that is gone: %v", err)
	}
}

// The signature as openssl makes it: printf '1700000000.{"kind":"broke"}' | openssl dgst -sha256 -hmac secret
func TestSign(t *testing.T) {
	if got := Sign("secret", "1700000000", []byte(`{"kind":"broke"}`)); got != "1dafe731f755661a4e6e0d380d9e6216148c26273585b41ea8fb9b523910d28c" {
		t.Error(got)
	}
}

func TestExec(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("left out: a shell script on Windows")
	}

	t.Setenv("MAILPUB_TSIG_KEY", "s3cret")
	dir := t.TempDir()
	script := filepath.Join(dir, "tell")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1 $MAILPUB_SITE $MAILPUB_KIND [$MAILPUB_TSIG_KEY]\" >said; cat >>said\n[ -z \"$2\" ] || { echo first; echo \"the last word\" >&2; exit $2; }\n"),
		0o700); err != nil {
		t.Fatal(err)
	}

	if err := Exec(dir, script, "argument").Send(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}

	said, _ := os.ReadFile(filepath.Join(dir, "said"))
	if !strings.HasPrefix(string(said), "argument nomeazienda broke []\n{\"format\":\"mailpub/notice/v1\"") {
		t.Errorf("%s", said)
	}

	if err := Exec(dir, script, "x", "3").Send(t.Context(), notice()); err == nil ||
		err.Error() != "exit status 3: the last word" {
		t.Errorf("%v", err)
	}

	if err := Exec(dir, filepath.Join(dir, "no-such")).Send(t.Context(), notice()); err == nil {
		t.Error("a program that is not there took it")
	}

	for _, script := range []string{"sleep 20 & exit 0", "sleep 20 & cat >/dev/null",
		"cat >/dev/null; head -c 50000000 /dev/zero"} {
		began := time.Now()
		if err := Exec(dir, "sh", "-c", script).Send(t.Context(), notice()); err != nil ||
			time.Since(began) > 15*time.Second {
			t.Errorf("%s: %v after %v", script, err, time.Since(began))
		}
	}

	long := "yes | head -c 100000; echo; echo the end; exit 1"
	if err := Exec(dir, "sh", "-c", long).Send(t.Context(), notice()); err == nil ||
		err.Error() != "exit status 1: the end" {
		t.Errorf("%v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()

	if err := Exec(dir, "sleep", "60").Send(ctx, notice()); err == nil ||
		!strings.Contains(err.Error(), "did not end in time") {
		t.Errorf("%v", err)
	}
}

// shoutrrr's URLs hold the secrets of the service: no error may.
func TestServiceSecrets(t *testing.T) {
	for _, raw := range []string{
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram",
		"nosuch://s3cret-token@example.org/s3cret-path?key=s3cret-query",
		"smtp://mario:s3cret-token@mail example.org/",
		"s3cret-token",
	} {
		_, err := Service(t.Context(), raw)
		if err == nil {
			t.Errorf("%s is taken for a service", raw)
			continue
		}

		for _, secret := range []string{"s3cret", "AAHdqTcv", "mario"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		}
	}
}

// A message by SMTP to a server of this test, and one to a generic webhook: what shoutrrr makes of
// a notice.
func TestService(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer l.Close()

	got := make(chan string, 1)
	go smtpOnce(l, got)
	c, err := Service(t.Context(), fmt.Sprintf("smtp://%s/?fromAddress=watch@nomeazienda.it&toAddresses=mario@example.org&useStartTLS=no&auth=None&encryption=None",
		l.Addr()))

	if err != nil {
		t.Fatal(err)
	}

	if c.Name != "smtp" {
		t.Errorf("name %q", c.Name)
	}

	if err := c.Send(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}

	message := <-got
	for _, want := range []string{"Subject: mailpub nomeazienda: broken: mx.exists nomeazienda.it",
		"it is gone", "To: mario@example.org"} {
		if !strings.Contains(message, want) {
			t.Errorf("no %q in:\n%s", want, message)
		}
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}))

	defer server.Close()

	c, err = Service(t.Context(), "generic+"+server.URL+"/s3cret-token")
	if err != nil {
		t.Fatal(err)
	}

	if err := c.Send(t.Context(), notice()); err == nil ||
		strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}

	server.Close()
	if err := c.Send(t.Context(), notice()); err == nil ||
		strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// smtpOnce takes one message.
func smtpOnce(l net.Listener, got chan<- string) {
	conn, err := l.Accept()
	if err != nil {
		return
	}

	defer conn.Close()

	fmt.Fprint(conn, "220 test ESMTP\r\n")
	var data strings.Builder
	in := false

	for s := bufio.NewScanner(conn); s.Scan(); {
		switch line := s.Text(); {
		case in && line == ".":
			in = false
			fmt.Fprint(conn, "250 ok\r\n")
			got <- data.String()
		case in:
			data.WriteString(line + "\n")
		case strings.HasPrefix(line, "DATA"):
			in = true
			fmt.Fprint(conn, "354 go on\r\n")
		case strings.HasPrefix(line, "QUIT"):
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

// While a message hangs there is no second one.
func TestServiceHangs(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		<-hang
	}))

	defer server.Close()
	defer close(hang)

	c, err := Service(t.Context(), "generic+"+server.URL+"/")
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()

	if err := watch.Try(ctx, c, notice()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}

	if err := c.Send(t.Context(), notice()); err == nil ||
		!strings.Contains(err.Error(), "still being sent") {
		t.Error(err)
	}
}
