package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Secrets are found in a unit's credentials, by their name or as files of a directory.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"token": "by name\n",
		"mailpub_TSIG": "of a directory\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("SET", "from the environment")
	for ref, want := range map[string]string{
		"credential:token": "by name",
		"credential:TSIG":  "of a directory",
		"env:TSIG":         "of a directory",
		"env:SET":          "from the environment",
	} {
		if got, err := Resolve(t.Context(), ref, dir); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", ref, got, err, want)
		}
	}

	for ref, want := range map[string]string{
		"credential:none":         "there is no credential none",
		"credential:../token":     "there is no credential ../token",
		"credential:empty":        "is empty",
		"env:NOWHERE_TO_BE_FOUND": "the environment has no",
	} {
		if got, err := Resolve(t.Context(), ref, dir); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s is %q, %v, want %q", ref, got, err, want)
		}
	}

	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := Resolve(t.Context(), "credential:token", dir); err == nil {
		t.Error("a credential without a directory")
	}
}

// The environment of a unit is read as systemd reads it, and nothing in it is run.
func TestUseEnvironment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "environment")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	t.Setenv("KEPT", "before")
	for _, name := range []string{"TEST_A", "TEST_B", "TEST_C"} {
		t.Setenv(name, "") // so that it is put back
		os.Unsetenv(name)
	}

	write("# a comment\n\nTEST_A=plain\nTEST_B=\"with spaces\"\nTEST_C=$(touch " + dir +
		"/run)\nKEPT=after\n")

	if err := useEnvironment(path); err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{"TEST_A": "plain", "TEST_B": "with spaces",
		"TEST_C": "$(touch " + dir + "/run)", "KEPT": "before"} {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	write("TEST_A=x\ntouch /tmp/x\n")
	if err := useEnvironment(path); err == nil ||
		!strings.Contains(err.Error(), ":2: is no line NAME=VALUE") {
		t.Errorf("a command: %v", err)
	}

	if err := useEnvironment(filepath.Join(dir, "none")); err != nil {
		t.Errorf("no file: %v", err)
	}
}
