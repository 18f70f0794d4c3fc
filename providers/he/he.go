// Package he changes dynamic records at Hurricane Electric; it reads them over DNS.
package he

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/manual"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const heURL = "https://dyn.dns.he.net"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "he",
		Summary:     "Hurricane Electric (dns.he.net): changes dynamic records that are there already",
		NameServers: []string{"*.he.net"},
		Settings: []zone.Setting{
			{Name: "key", Required: true, Secret: true, Help: "DDNS key, the same for each of the records"},
			{Name: "server", Default: "ns1.he.net", Help: "the name server to read the zone from, as host or host:port (port 53)"},
		},
		Scopes: "records that were made in the zone's page, marked as dynamic, with this DDNS key",
		Limits: zone.Limits{UpdateOnly: true, NoTTL: true, Types: []string{"A", "AAAA", "TXT"}},
		Check: func(s map[string]string) (errs []zone.SettingError) {
			if v := s["server"]; v != "" {
				if _, err := resolver.HostPort(v); err != nil {
					errs = append(errs, zone.SettingError{
						Setting: "server",
						Problem: err.Error(),
						Want:    `a host or host:port, such as "ns1.he.net"`,
					})
				}
			}

			return errs
		},
		Connect: openHE,
	}
}

// openHE speaks to the interface itself: libdns/he reads the zone from a resolver, which may
// remember what was, takes 127.0.0.1 for a removed address, and takes no http.Client.
func openHE(o zone.Options) (zone.Backend, error) {
	server, err := resolver.HostPort(o.Setting("server"))
	if err != nil {
		return nil, err
	}

	web := webapi.New("he", heURL, o, nil, nil)
	web.Codec = &heCodec
	return &heBackend{
		Backend: manual.Backend{
			Zone:        mail.FQDN(o.Zone),
			Resolver:    &resolver.Resolver{Servers: []string{server}},
			Nameservers: map[string][]string{o.Zone: {server}},
		},
		web: web, key: o.Setting("key"),
	}, nil
}

// heCodec is a form that is answered in plain words.
var heCodec = webapi.Codec{
	Mime:    "application/x-www-form-urlencoded",
	Marshal: func(v any) ([]byte, error) { return []byte(v.(url.Values).Encode()), nil },
	Unmarshal: func(text []byte, out any) error {
		*out.(*string) = strings.TrimSpace(string(text))
		return nil
	},
}

// heBackend knows a zone only by what is published, and changes the one record of a name
// and type. Everything else is a person's work in the zone's page.
type heBackend struct {
	manual.Backend
	web webapi.API
	key string
}

func (h *heBackend) Write(ctx context.Context, edits []zone.Edit) error {
	for _, e := range edits {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.update(ctx, e.After); err != nil {
			return fmt.Errorf("%s: %w", e.RRset, err)
		}
	}

	return nil
}

func (h *heBackend) update(ctx context.Context, after []record.Record) error {
	if len(after) != 1 {
		return errors.New("he: exactly one record of a name and type can be changed")
	}

	r := after[0]
	form := url.Values{"hostname": {record.Undotted(r.Name)}, "password": {h.key},
		"myip": {r.Data}}

	if r.Type == "TXT" {
		text, err := mail.Text(r.Data)
		if err != nil {
			return err
		}
		form.Del("myip")
		form.Set("txt", text)
	}

	var reply string
	if _, err := h.web.Call(ctx, http.MethodPost, "/nic/update", form, &reply); err != nil {
		return err
	}

	word, _, _ := strings.Cut(reply, " ")
	switch word {
	case "good", "nochg":
		return nil
	case "badauth":
		return errors.New("he: badauth: the record must be there, marked as dynamic, with this DDNS key")
	case "nohost", "notxt":
		return fmt.Errorf("he: %s: make the record in the zone's page first, marked as dynamic", word)
	case "interval", "abuse":
		return fmt.Errorf("he: %s: too many updates: run this again in a few minutes", word)
	}

	return fmt.Errorf("he: %s", webapi.ReplyText([]byte(reply)))
}
