package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The device flow ends with a token in a file that only its owner reads, and in nothing that is printed.
func TestMailboxAdd(t *testing.T) {
	const secret = "refresh-s3cret"
	asked := 0
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/device":
			fmt.Fprint(w, `{"device_code":"d","user_code":"ABCD-EFGH","verification_uri":"https://provider.example/device","expires_in":60,"interval":1}`)
		case "/token":
			if asked++; asked == 1 {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"error":"authorization_pending"}`)
				return
			}
			fmt.Fprintf(w, `{"access_token":"a","token_type":"Bearer","refresh_token":%q}`,
				secret)
		}
	}))

	defer provider.Close()

	file := filepath.Join(t.TempDir(), "mailbox.token")
	t.Setenv("CLIENT_SECRET", "client-s3cret")
	var out, errs bytes.Buffer
	args := []string{"mailbox", "add", "mario@provider.example", "--client-id", "id",
		"--client-secret", "env:CLIENT_SECRET", "--token-file", file,
		"--device-url", provider.URL + "/device", "--token-url", provider.URL + "/token",
		"--scope", "mail"}

	if code := newApp(strings.NewReader(""), &out, &errs).execute(t.Context(),
		args); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}

	said := out.String() + errs.String()
	for _, want := range []string{"https://provider.example/device", "ABCD-EFGH",
		"client_secret: \"env:CLIENT_SECRET\"", "refresh_token: \"file:" + file} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}

	if strings.Contains(said, "s3cret") {
		t.Errorf("a secret is in\n%s", said)
	}

	data, err := os.ReadFile(file)
	info, statErr := os.Stat(file)
	if err != nil || statErr != nil || string(data) != secret+"\n" ||
		info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%q %v %v", data, err, info.Mode())
	}
}

func TestMailboxAddRefused(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"access_denied","error_description":"client-s3cret"}`)
	}))

	defer provider.Close()

	t.Setenv("CLIENT_SECRET", "client-s3cret")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--client-id", "id", "--client-secret", "env:CLIENT_SECRET", "--device-url", provider.URL, "--token-url", provider.URL}, "the provider says access_denied"},
		{[]string{"--device-url", provider.URL, "--token-url", provider.URL}, "--client-id is missing"},
		{[]string{"--provider", "gogle"}, `did you mean "google"?`},
		{[]string{"--provider", "google", "--client-id", "x", "--client-secret", "plain"}, "--client-secret:"},
	} {
		var out, errs bytes.Buffer
		code := newApp(strings.NewReader(""), &out, &errs).execute(t.Context(),
			append([]string{"mailbox", "add", "m@x.example"}, c.args...))
		if code != 1 || !strings.Contains(errs.String(), c.want) ||
			strings.Contains(out.String()+errs.String(), "client-s3cret") {
			t.Errorf("%q: exit code %d: %s", c.args, code, errs.String())
		}
	}

	var out, errs bytes.Buffer
	if code := newApp(strings.NewReader(""), &out, &errs).execute(t.Context(),
		[]string{"mailbox", "add", "m@gmx.net", "--provider", "gmx"}); code != 0 ||
		!strings.Contains(out.String(), "provider: gmx\n      password: \"env:MAILBOX_PASSWORD\"") {
		t.Errorf("%d %s%s", code, out.String(), errs.String())
	}
}
