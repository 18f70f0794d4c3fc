package config

import (
	"path"
	"strings"
)

// ServerType is a kind of mail server that service.type can name.
type ServerType struct {
	Name     string
	Settings []ServerSetting
}

// ServerSetting is one of the fields under service.settings.
type ServerSetting struct {
	Name    string
	Default string
	Want    string // what is expected, in words
	Secret  bool   // a reference in the config, never the value
	good    func(string) bool
}

// ServerTypes returns every kind of mail server, in the order of a list for people.
func ServerTypes() []ServerType {
	// Of a Unix server, wherever the config is looked at.
	file := func(name, debian string) ServerSetting {
		return ServerSetting{
			Name:    name,
			Default: debian,
			Want:    "an absolute path",
			good:    path.IsAbs,
		}
	}

	return []ServerType{
		{Name: "receiver"},
		{Name: "postfix", Settings: []ServerSetting{
			file("config_directory", "/etc/postfix"), file("dovecot", "/etc/dovecot/dovecot.conf"), file("pam", "/etc/pam.d/common-password"),
		}},
		{Name: "mdaemon", Settings: []ServerSetting{
			{Name: "url", Want: "the XML API's address, like https://mail.example.org:444/MdMgmtWS/", good: safeURL},
			{Name: "user", Want: "the full address of a global administrator", good: func(s string) bool { return strings.Contains(s, "@") }},
			{Name: "password", Want: "a reference to the password", Secret: true},
			{Name: "ca_file", Want: "a file of certificates in PEM"},
			{Name: "app", Want: "MDaemon's App folder on this machine, like C:\\MDaemon\\App"},
			{Name: "docs", Want: "the folder of the vendor's help, like C:\\MDaemon\\Docs"},
			{Name: "dialect", Want: "a file that mailpub mdaemon learn made"},
			{Name: "fingerprint", Want: "the SHA-256 of the server's certificate, 64 hex digits", good: isSHA256},
		}},
		{Name: "exim"}, {Name: "opensmtpd"}, {Name: "mox"}, {Name: "maddy"},
		{Name: "manual"},
	}
}

// LookupServer returns the server type of that name.
func LookupServer(name string) (ServerType, bool) {
	for _, t := range ServerTypes() {
		if t.Name == name {
			return t, true
		}
	}
	return ServerType{}, false
}
