// Package config loads a mailpub config file: YAML, TOML or JSON through viper, checked as a
// whole, every mistake with its file, line, field and what was expected.
//
// It knows the file's form and what its values may be. It asks no network and
// resolves no secret: loading the same file always gives the same Config.
package config

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/redact"
)

// Config is a config file as it is written, with defaults filled in.
type Config struct {
	Site     string   `mapstructure:"site"`
	Defaults string   `mapstructure:"defaults"` // a file beneath this one, relative to it
	State    string   `mapstructure:"state"`    // directory, relative to the config file
	Language string   `mapstructure:"language"` // of requests, reports, notices and the page; "": the system's
	Server   Server   `mapstructure:"server"`
	Domains  []Domain `mapstructure:"domains"`
	NoMail   []string `mapstructure:"nomail"` // names that neither send nor receive mail
	Zones    []Zone   `mapstructure:"zones"`
	Router   Router   `mapstructure:"router"`
	Service  Service  `mapstructure:"service"`
	Verify   Verify   `mapstructure:"verify"`
	Watch    Watch    `mapstructure:"watch"`
	Ignore   []Ignore `mapstructure:"ignore"` // findings that do not count for a time

	// File is the path that was loaded, as given; Lines knows where in it each field is.
	File  string `mapstructure:"-"`
	Lines Lines  `mapstructure:"-"`

	beneath *file // of defaults; nil for none
	sources []Source

	zoneAt map[string]int // absolute name of each zone to its index

	secrets redact.Set // those that were resolved

	named func(ctx context.Context, name string) (string, error) // resolves secret:NAME; see ResolveWith
}

// Server is the mail server.
type Server struct {
	Hostname string   `mapstructure:"hostname"` // MX target, PTR, banner
	Address  string   `mapstructure:"address"`  // on the LAN
	Public   Public   `mapstructure:"public"`
	CAA      []string `mapstructure:"caa"` // who may issue its certificates
	DANE     DANE     `mapstructure:"dane"`

	TTL time.Duration `mapstructure:"ttl"` // of the mail host's records; 0: the zone's
}

// DANE says where the keys are found that TLSA records are made of.
type DANE struct {
	Certificate string `mapstructure:"certificate"` // "served", or a PEM file, relative to the config file; "": no records
	Next        string `mapstructure:"next"`        // a PEM file: what comes into use next
	Ports       []int  `mapstructure:"ports"`

	TTL time.Duration `mapstructure:"ttl"` // 0: the mail host's
}

// Public is how the server is seen from outside: "auto", "none" or an address.
type Public struct {
	IPv4 string `mapstructure:"ipv4"`
	IPv6 string `mapstructure:"ipv6"`

	Also []string `mapstructure:"also"` // further addresses that lead to the server: a second line
	Echo []string `mapstructure:"echo"` // DNS services that say which address they see
}

// Domain is a mail domain.
type Domain struct {
	Name     string        `mapstructure:"name"`
	MX       []MX          `mapstructure:"mx"`
	SPF      SPF           `mapstructure:"spf"`
	DKIM     []DKIM        `mapstructure:"dkim"`
	DMARC    DMARC         `mapstructure:"dmarc"`
	MTASTS   MTASTS        `mapstructure:"mta_sts"`
	TLSRPT   []string      `mapstructure:"tlsrpt"`
	Services []ServiceName `mapstructure:"services"`

	Autoconfig string `mapstructure:"autoconfig"` // host that tells mail programs their settings

	TTL time.Duration `mapstructure:"ttl"` // of the domain's records; 0: the zone's
}

// DKIM is a key that the domain's mail is signed with.
type DKIM struct {
	Selector  string `mapstructure:"selector"`
	Algorithm string `mapstructure:"algorithm"`
	File      string `mapstructure:"file"` // PEM, relative to the config file; see DKIMPath
	Key       string `mapstructure:"key"`  // a reference to the PEM text, in the place of a file

	TTL time.Duration `mapstructure:"ttl"` // 0: the domain's
}

// MTASTS asks senders to deliver only under TLS.
type MTASTS struct {
	Mode   string        `mapstructure:"mode"`
	MaxAge time.Duration `mapstructure:"max_age"`
	MX     []string      `mapstructure:"mx"`   // allowed beside the domain's own
	Host   string        `mapstructure:"host"` // serves the policy; "none": not mailpub's to publish
	TTL    time.Duration `mapstructure:"ttl"`  // 0: the domain's
}

// DMARC is what receivers are asked to do with forged mail.
type DMARC struct {
	Policy string        `mapstructure:"policy"`
	RUA    []string      `mapstructure:"rua"`
	TTL    time.Duration `mapstructure:"ttl"` // 0: the domain's
}

// ServiceName is a service that clients find by themselves.
type ServiceName struct {
	Name string        `mapstructure:"name"`
	Host string        `mapstructure:"host"`
	Port int           `mapstructure:"port"`
	TTL  time.Duration `mapstructure:"ttl"` // 0: the domain's
}

// servicePorts are the services of RFC 6186 and RFC 8314, with their own ports.
func servicePorts() map[string]int {
	return map[string]int{"imaps": 993, "imap": 143, "pop3s": 995, "pop3": 110,
		"submissions": 465, "submission": 587}
}

// MX is a mail exchanger.
type MX struct {
	Host       string `mapstructure:"host"`
	Preference int    `mapstructure:"preference"`
}

// SPF says who else sends for the domain and what becomes of the rest.
type SPF struct {
	Include []string `mapstructure:"include"`
	All     string   `mapstructure:"all"`
}

// Zone is a DNS zone and who serves it.
type Zone struct {
	Name        string            `mapstructure:"name"`
	Provider    string            `mapstructure:"provider"`
	TTL         time.Duration     `mapstructure:"ttl"`
	keepTTL     bool              // no TTL is given: records that are there keep theirs
	Nameservers []string          `mapstructure:"nameservers"` // to verify at, instead of the zone's NS
	Settings    map[string]string `mapstructure:"settings"`
}

// Router is the NAT router and what it forwards.
type Router struct {
	Protocol  string        `mapstructure:"protocol"`
	Interface string        `mapstructure:"interface"`
	URL       string        `mapstructure:"url"`        // of a UPnP description: no discovery
	Gateway   string        `mapstructure:"gateway"`    // address for NAT-PMP
	BehindNAT bool          `mapstructure:"behind_nat"` // another router in front forwards the ports too
	IPv6      string        `mapstructure:"ipv6"`       // "pinholes" or "open"
	Gateway6  string        `mapstructure:"gateway6"`   // address for pinholes by PCP
	Lease     time.Duration `mapstructure:"lease"`
	Timeout   time.Duration `mapstructure:"timeout"` // of one request to the router
	Forwards  []Forward     `mapstructure:"forwards"`
}

// Forward is a port of the public address that belongs to the server.
type Forward struct {
	Name     string `mapstructure:"name"`
	Port     int    `mapstructure:"port"`
	Internal int    `mapstructure:"internal"`
	Proto    string `mapstructure:"proto"`
}

// Service is the mail service.
type Service struct {
	Type       string            `mapstructure:"type"`
	Aliases    []Alias           `mapstructure:"aliases"`
	Delivery   Delivery          `mapstructure:"delivery"`
	Networks   []string          `mapstructure:"networks"`   // may send without a password
	BackupFor  []string          `mapstructure:"backup_for"` // domains of others that it is a backup MX of
	Collectors []Collector       `mapstructure:"collectors"`
	Confirmed  []string          `mapstructure:"confirmed"` // needs that nobody can see, and that the administrator answers for
	Settings   map[string]string `mapstructure:"settings"`  // of the server's type
	Maildir    string            `mapstructure:"maildir"`   // where mailboxes are, MAILDIR/NAME/new, relative to the config file
	Listen     string            `mapstructure:"listen"`    // where the receiver listens; by default server.address and the forward of port 25
	TLS        TLS               `mapstructure:"tls"`

	Limits  Limits `mapstructure:"limits"`
	Journal string `mapstructure:"journal"` // a file of JSON lines: what the receiver took, and refused
	Metrics string `mapstructure:"metrics"` // where Prometheus finds the receiver's
	User    string `mapstructure:"user"`    // that the receiver runs as once its ports are open

	SenderChecks *bool `mapstructure:"sender_checks"` // SPF, DKIM and DMARC of what the receiver takes; by default true
}

// ACME stands in the place of a certificate's file where one is made and renewed by itself.
const ACME = "acme"

// TLS says which certificate the receiver shows.
type TLS struct {
	Certificate string `mapstructure:"certificate"` // a PEM file, relative to the config file, or ACME; "": no STARTTLS
	Key         string `mapstructure:"key"`         // a PEM file
	Email       string `mapstructure:"email"`       // that the authority warns
	Directory   string `mapstructure:"directory"`   // URL; "": Let's Encrypt
	Roots       string `mapstructure:"roots"`       // a PEM file: who vouches for the directory; "": the system's
	Minimum     string `mapstructure:"minimum"`     // lowest version, as TLSVersions has them; "": 1.2
}

// TLSVersions are the versions of TLS that the receiver may be told to take, the lowest first.
func TLSVersions() []string { return []string{"1.0", "1.1", "1.2", "1.3"} }

// Delivery is the way that mail takes out of the server.
type Delivery struct {
	Mode      string   `mapstructure:"mode"`
	SmartHost string   `mapstructure:"smart_host"`
	SPF       []string `mapstructure:"spf"` // domains whose SPF records list the smart host
}

// Collector is a host that the server fetches mail from.
type Collector struct {
	Host string `mapstructure:"host"`
}

// Alias delivers an address to a mailbox.
type Alias struct {
	Address string `mapstructure:"address"`
	To      string `mapstructure:"to"`
}

// Verify says how the result is proved.
type Verify struct {
	Resolvers []string `mapstructure:"resolvers"`
	Egress    []string `mapstructure:"egress"` // mail servers outside that port 25 is tried at
	Hosts     string   `mapstructure:"hosts"`  // the hosts file
	Probe     Probe    `mapstructure:"probe"`
	Mailbox   Mailbox  `mapstructure:"mailbox"`
	DNSBL     []string `mapstructure:"dnsbl"`    // block lists to ask about the public addresses
	Accounts  bool     `mapstructure:"accounts"` // try a few weak passwords

	Mailboxes []RemoteMailbox `mapstructure:"mailboxes"`        // of ours, at other providers: what arrives there, and from there
	Recipient string          `mapstructure:"recipient"`        // whom they write to; "": the postmaster of the first domain
	Outbound  Outbound        `mapstructure:"outbound"`         // how a message leaves the site
	PerDay    int             `mapstructure:"messages_per_day"` // that are sent at most
	Patience  string          `mapstructure:"patience"`         // how long a message is waited for
	Reports   Reports         `mapstructure:"reports"`          // where DMARC and TLS reports arrive
}

// RemoteMailbox is a mailbox at another provider that mailpub may use.
type RemoteMailbox struct {
	Address    string `mapstructure:"address"`
	Provider   string `mapstructure:"provider"`   // a name of MailboxProviders; "": what follows says it
	Submission string `mapstructure:"submission"` // host:port
	IMAP       string `mapstructure:"imap"`       // host:port
	User       string `mapstructure:"user"`       // "": the address
	Password   string `mapstructure:"password"`   // a reference
	OAuth      OAuth  `mapstructure:"oauth"`      // in the place of a password
	CAFile     string `mapstructure:"ca_file"`    // who vouches for its servers; "": the system's
}

// OAuth is how an access token is had (RFC 6749 section 6).
type OAuth struct {
	ClientID     string `mapstructure:"client_id"`
	ClientSecret string `mapstructure:"client_secret"` // a reference; "": none
	RefreshToken string `mapstructure:"refresh_token"` // a reference
	TokenURL     string `mapstructure:"token_url"`     // "": the provider's
}

// Outbound is how a message leaves the site: through its own server.
type Outbound struct {
	Submission string `mapstructure:"submission"` // host:port; "": the SMTP port, where the server takes mail from here
	User       string `mapstructure:"user"`
	Password   string `mapstructure:"password"` // a reference
	From       string `mapstructure:"from"`     // "": the postmaster of the first domain
}

// Reports is where DMARC and TLS reports arrive: a Maildir, or a mailbox by IMAP.
type Reports struct {
	Maildir  string `mapstructure:"maildir"`
	IMAP     string `mapstructure:"imap"` // host:port
	User     string `mapstructure:"user"`
	Password string `mapstructure:"password"` // a reference
}

// Mailbox is one that verify looks into: where the postmaster's mail goes.
type Mailbox struct {
	IMAP     string `mapstructure:"imap"` // host:port
	POP3     string `mapstructure:"pop3"` // host:port
	User     string `mapstructure:"user"`
	Password string `mapstructure:"password"` // a reference
}

// Probe is a vantage outside.
type Probe struct {
	URL         string `mapstructure:"url"`
	Token       string `mapstructure:"token"`       // a reference
	Fingerprint string `mapstructure:"fingerprint"` // SHA-256 of its certificate, in hex; "": the system's roots decide
}

// Values of service.delivery.mode.
const (
	DeliverDirect    = "direct"
	DeliverElse      = "fallback"
	DeliverSmartHost = "smart_host"
)

// SMTPPort returns the server's own port for SMTP: where outside port 25 is forwarded to.
func (c *Config) SMTPPort() int {
	for _, f := range c.Router.Forwards {
		if f.Proto == "tcp" && f.Port == 25 {
			return f.Internal
		}
	}
	return 25
}

// DKIMPath returns the file of a key of a domain: by default in the state directory, by
// domain and selector.
func (c *Config) DKIMPath(d Domain, k DKIM) string {
	if k.File != "" {
		return c.Path(k.File)
	}
	name := strings.TrimSuffix(strings.ToLower(d.Name), ".") + "." + k.Selector + ".pem"
	return filepath.Join(c.Path(c.State), "dkim", name)
}

// Manual reports whether the zone's records are entered by a person.
func (z Zone) Manual() bool { return z.Provider == "manual" }

// RouterKind says who enters the forwards.
func (r Router) RouterKind() mail.RouterKind {
	switch r.Protocol {
	case "manual":
		return mail.RouterByHand
	case "none":
		return mail.RouterNone
	}
	return mail.RouterProtocol
}

// Path returns a path of the config as seen from the working directory.
func (c *Config) Path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(c.File), p)
}

// HostsFile returns the hosts file that verify compares with DNS; "" is the system's.
func (c *Config) HostsFile() string {
	if c.Verify.Hosts == "" {
		return ""
	}
	return c.Path(c.Verify.Hosts)
}
