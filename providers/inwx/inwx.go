// Package inwx writes zones at INWX, through its JSON-RPC API.
package inwx

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const inwxURL = "https://api.domrobot.com"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "inwx",
		Summary:     "zones at INWX, through its JSON-RPC API",
		NameServers: []string{"*.inwx.de", "*.inwx.eu", "*.inwx.com", "*.inwx.net"},
		Settings: []zone.Setting{
			{Name: "user", Required: true, Help: "name of the account"},
			{Name: "password", Required: true, Secret: true, Help: "its password"},
			{Name: "totp_secret", Secret: true, Help: "shared secret of the second factor in base32, where the account has one"},
		},
		Scopes: "an account that may manage the zone's nameserver records; a sub-account for that alone is best",
		Limits: zone.Limits{
			MinTTL: 5 * time.Minute,
			Trims:  true,
			NoText: "`",
			Types: []string{"A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SRV",
				"SSHFP", "SVCB", "TLSA", "TXT"},
		},
		Connect: openINWX,
	}
}

// openINWX speaks to the API itself: libdns/inwx logs in and out for every call, has no
// deadline, raises a short TTL without a word, and gives up on a zone with one record that
// libdns can't parse.
func openINWX(o zone.Options) (zone.Backend, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}

	web := webapi.New("inwx", inwxURL, o, nil, nil)
	web.Client.HTTP.Jar = jar
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(
		strings.ToUpper(strings.TrimRight(strings.ReplaceAll(o.Setting("totp_secret"), " ",
			""), "=")))

	if err != nil {
		return nil, errors.New(`setting "totp_secret": not base32; copy it as the account's page shows it`)
	}

	return webapi.RecordBackend{RecordAPI: &inwxAPI{
		zone:     o.Zone,
		web:      web,
		user:     o.Setting("user"),
		password: o.Setting("password"),
		totp:     secret,
		now:      time.Now,
		Spelling: record.Spelling{Priority: true, Undotted: true},
	}}, nil
}

// inwxAPI is one zone at INWX. The session is in the client's cookies.
type inwxAPI struct {
	zone           string // absolute
	web            webapi.API
	user, password string
	totp           []byte
	now            func() time.Time
	in             bool // logged in
	record.Spelling
}

// inwxError is a refusal: the codes are those of EPP (RFC 5730 section 3), 1000 to 1999 for
// success.
type inwxError struct {
	code int
	text string
}

func (e inwxError) Error() string {
	s := fmt.Sprintf("inwx: %s (code %d)", e.text, e.code)
	switch e.code {
	case inwxNoSession:
		s += "; check user and password, and totp_secret where the account has a second factor"
	case 2201:
		s += "; the account must be allowed to manage the zone's nameserver records"
	}

	return s
}

const (
	inwxNoSession = 2200
	inwxNotThere  = 2303
)

// rpc calls a method, logging in before where that is to be done.
func (i *inwxAPI) rpc(ctx context.Context, method string, params map[string]any, result any) error {
	for try := 0; ; try++ {
		if err := i.login(ctx); err != nil {
			return err
		}

		err := i.once(ctx, method, params, result)
		if e := (inwxError{}); try == 0 && errors.As(err, &e) && e.code == inwxNoSession {
			i.in = false // the session has run out
			continue
		}

		return err
	}
}

func (i *inwxAPI) login(ctx context.Context) error {
	if i.in {
		return nil
	}

	var reply struct{ TFA string }
	if err := i.once(webapi.Reading(ctx), "account.login",
		map[string]any{"user": i.user, "pass": i.password}, &reply); err != nil {
		return err
	}

	if reply.TFA != "" && reply.TFA != "0" {
		if reply.TFA != "GOOGLE-AUTH" || len(i.totp) == 0 {
			return fmt.Errorf("inwx: the account wants a second factor (%s): give totp_secret, or a sub-account without one",
				webapi.OneLine(reply.TFA))
		}
		if err := i.once(ctx, "account.unlock", map[string]any{"tan": totp(i.totp, i.now())},
			nil); err != nil {
			return err
		}
	}

	i.in = true
	return nil
}

func (i *inwxAPI) once(ctx context.Context, method string, params map[string]any, result any) error {
	var reply struct {
		Code        int
		Msg, Reason string
		ResData     json.RawMessage
	}

	if _, err := i.web.Call(ctx, http.MethodPost, "/jsonrpc/",
		map[string]any{"method": method, "params": params}, &reply); err != nil {
		return err
	}

	switch {
	case reply.Code == 0:
		return errors.New("inwx: a reply without a code: not one of this interface")
	case reply.Code < 1000 || reply.Code > 1999:
		return inwxError{reply.Code, webapi.OneLine(reply.Msg + " " + reply.Reason)}
	case result != nil && len(reply.ResData) > 0:
		if err := json.Unmarshal(reply.ResData, result); err != nil {
			return fmt.Errorf("inwx: reply to %s: %w", method, err)
		}
	}

	return nil
}

// totp is the one-time password of RFC 6238 with its defaults: 30 s, SHA-1, 6 digits.
func totp(secret []byte, now time.Time) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, uint64(now.Unix()/30))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf // RFC 4226 section 5.3
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

type inwxRecord struct {
	ID                  json.RawMessage // a number or a string, sent back as it came
	Name, Type, Content string
	TTL, Prio           webapi.JSONInt
}

func (i *inwxAPI) Domain() string { return strings.TrimSuffix(i.zone, ".") }

func (i *inwxAPI) Records(ctx context.Context, _ []string) ([]record.Record, error) {
	var reply struct{ Record []inwxRecord }
	err := i.rpc(webapi.Reading(ctx), "nameserver.info", map[string]any{"domain": i.Domain()},
		&reply)

	if e := (inwxError{}); errors.As(err, &e) && e.code == inwxNotThere {
		return nil, i.missing(ctx, err)
	}
	if err != nil {
		return nil, err
	}

	var out []record.Record
	for _, l := range reply.Record {
		r := i.Record(record.RRset{
			Name: mail.FQDN(l.Name),
			Type: l.Type,
		}, int(l.TTL), int(l.Prio), l.Content)
		r.ID = string(l.ID)
		out = append(out, r)
	}

	return out, nil
}

// missing names the zone that was probably meant.
func (i *inwxAPI) missing(ctx context.Context, why error) error {
	var reply struct{ Domains []struct{ Domain string } }
	if err := i.rpc(webapi.Reading(ctx), "nameserver.list", map[string]any{"pagelimit": 1000},
		&reply); err != nil {
		return why
	}

	var known []string
	for _, d := range reply.Domains {
		known = append(known, d.Domain)
	}

	return webapi.NoZone("inwx", "the account", i.zone, known)
}

func (i *inwxAPI) params(r record.Record) (map[string]any, error) {
	data, priority, err := i.Spell(r)
	if err != nil {
		return nil, err
	}
	name, err := record.Relative(r.Name, i.zone)
	return map[string]any{"name": strings.TrimPrefix(name, "@"), "type": r.Type,
		"content": data, "ttl": r.TTL, "prio": priority}, err
}

func (i *inwxAPI) Create(ctx context.Context, r record.Record) error {
	params, err := i.params(r)
	if err != nil {
		return err
	}
	params["domain"] = i.Domain()
	return i.rpc(ctx, "nameserver.createRecord", params, nil)
}

// Replace changes a record in its place, but for a null MX: an update does not lower a
// preference to 0, without a word.
func (i *inwxAPI) Replace(ctx context.Context, from, to record.Record) error {
	params, err := i.params(to)
	if err != nil {
		return err
	}
	if params["prio"] == 0 && to.Type == "MX" {
		return webapi.ErrNoReplace
	}

	params["id"] = json.RawMessage(from.ID)
	return i.rpc(ctx, "nameserver.updateRecord", params, nil)
}

func (i *inwxAPI) Remove(ctx context.Context, r record.Record) error {
	err := i.rpc(ctx, "nameserver.deleteRecord", map[string]any{"id": json.RawMessage(r.ID)},
		nil)
	if e := (inwxError{}); errors.As(err, &e) && e.code == inwxNotThere {
		return nil
	}
	return err
}
