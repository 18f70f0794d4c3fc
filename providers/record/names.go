package record

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

var ErrOutside = errors.New("lies outside the zone")

func Relative(name, zone string) (string, error) {
	name = mail.FQDN(name)
	zone = mail.FQDN(zone)
	switch {
	case name == zone:
		return "@", nil
	case !mail.Within(name, zone):
		return "", fmt.Errorf("%q: %w %q", name, ErrOutside, zone)
	case zone == ".":
		return strings.TrimSuffix(name, "."), nil
	}

	return strings.TrimSuffix(name, "."+zone), nil
}

// Below returns the absolute name of what an interface calls "", "@" or "www" in a zone.
func Below(name, zone string) string {
	if name == "" || name == "@" {
		return mail.FQDN(zone)
	}
	return mail.FQDN(name + "." + zone)
}

// Bare is a name as people write it.
func Bare(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}
