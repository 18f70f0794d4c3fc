package config

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Where the secrets of a package's services are. The units take each file of SystemCredentials as a
// credential, and SystemEnvironment as their environment.
const (
	SystemConfig      = "/etc/mailpub/mailpub.yaml"
	SystemCredentials = "/etc/mailpub/credentials"
	SystemEnvironment = "/etc/mailpub/environment"
)

// credentialsVariable names the directory of a unit's credentials (systemd.exec(5)).
const credentialsVariable = "CREDENTIALS_DIRECTORY"

// credentialPrefix stands before the names of files that a unit loads a whole directory of.
const credentialPrefix = "mailpub_"

// credential returns a credential by its name; there is false where nobody gives one.
func credential(name string) (secret string, there bool, err error) {
	dir := os.Getenv(credentialsVariable)
	if dir == "" || name == "" || strings.ContainsAny(name, `/\`) {
		return "", false, nil
	}

	for _, file := range []string{name, credentialPrefix + name} {
		path := filepath.Join(dir, file)
		if err := checkOwner(path); err != nil {
			return "", false, fmt.Errorf("credential: %w", err)
		}

		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", false, fmt.Errorf("credential can't be read: %w", err)
		}

		return text(data), true, nil
	}

	return "", false, nil
}

// UseSystem gives this process the secrets that the units of a package have: root need not let a shell
// read a file of them, which would obey whatever stands in it. What is in the environment already stays.
func UseSystem() error {
	if os.Getenv(credentialsVariable) == "" {
		if err := os.Setenv(credentialsVariable, SystemCredentials); err != nil {
			return err
		}
	}
	return useEnvironment(SystemEnvironment)
}

// useEnvironment takes up the lines NAME=VALUE of a file, as systemd reads an EnvironmentFile. It is no error
// that there is none.
func useEnvironment(path string) error {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: the secrets of the services are root's: sudo mailpub --system",
			err)
	case err != nil:
		return err
	}

	defer f.Close()

	if err := checkOwner(path); err != nil {
		return fmt.Errorf("environment: %w", err)
	}

	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}

		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || !isVariable(name) {
			return fmt.Errorf("%s:%d: is no line NAME=VALUE", path, n)
		}
		if _, set := os.LookupEnv(name); set {
			continue
		}
		if err := os.Setenv(name, unquoted(strings.TrimSpace(value))); err != nil {
			return err
		}
	}

	return lines.Err()
}

func isVariable(name string) bool {
	for i, c := range name {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// unquoted takes a pair of quotes off a value.
func unquoted(value string) string {
	for _, quote := range []string{`"`, "'"} {
		if len(value) > 1 && strings.HasPrefix(value, quote) &&
			strings.HasSuffix(value, quote) {
			return value[1 : len(value)-1]
		}
	}
	return value
}
