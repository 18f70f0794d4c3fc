package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

const heURL = "https://dyn.dns.he.net"

func heProvider() Provider {
	return Provider{
		Name:        "he",
		Summary:     "Hurricane Electric (dns.he.net): changes dynamic records that are there already",
		NameServers: []string{"*.he.net"},
		Settings: []Setting{
			{Name: "key", Required: true, Secret: true, Help: "DDNS key, the same for each of the records"},
			{Name: "server", Default: "ns1.he.net", Help: "the name server to read the zone from, as host or host:port (port 53)"},
		},
		Scopes: "records that were made in the zone's page, marked as dynamic, with this DDNS key",
		Limits: Limits{UpdateOnly: true, NoTTL: true, Types: []string{"A", "AAAA", "TXT"}},
		check: func(s map[string]string) (errs []SettingError) {
			if v := s["server"]; v != "" {
				if _, err := hostPort(v); err != nil {
					errs = append(errs, SettingError{"server", err.Error(), `a host or host:port, such as "ns1.he.net"`})
				}
			}
			return errs
		},
		open: openHE,
	}
}

// openHE speaks to the interface itself: libdns/he reads the zone from a resolver, which may
// remember what was, takes 127.0.0.1 for a removed address, and takes no http.Client.
func openHE(o Options) (backend, error) {
	server, err := hostPort(o.setting("server"))
	if err != nil {
		return nil, err
	}
	web := newWebAPI("he", heURL, o, nil, nil)
	web.codec = &heCodec
	return &heBackend{
		manualBackend: manualBackend{resolver: &Resolver{Servers: []string{server}}},
		web:           web, key: o.setting("key"),
	}, nil
}

// heCodec is a form that is answered in plain words.
var heCodec = codec{
	mime:    "application/x-www-form-urlencoded",
	marshal: func(v any) ([]byte, error) { return []byte(v.(url.Values).Encode()), nil },
	unmarshal: func(text []byte, out any) error {
		*out.(*string) = strings.TrimSpace(string(text))
		return nil
	},
}

// heBackend knows a zone only by what is published, and changes the one record of a name
// and type. Everything else is a person's work in the zone's page.
type heBackend struct {
	manualBackend
	web webAPI
	key string
}

func (h *heBackend) write(ctx context.Context, edits []edit) error {
	for _, e := range edits {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.update(ctx, e.after); err != nil {
			return fmt.Errorf("%s: %w", e.rrset, err)
		}
	}
	return nil
}

func (h *heBackend) update(ctx context.Context, after []record) error {
	if len(after) != 1 {
		return errors.New("he: one record of a name and type can be changed, no more and no fewer")
	}
	r := after[0]
	form := url.Values{"hostname": {undotted(r.name)}, "password": {h.key}, "myip": {r.data}}
	if r.rrtype == "TXT" {
		text, err := mail.Text(r.data)
		if err != nil {
			return err
		}
		form.Del("myip")
		form.Set("txt", text)
	}
	var reply string
	if _, err := h.web.call(ctx, http.MethodPost, "/nic/update", form, &reply); err != nil {
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
	return fmt.Errorf("he: %s", plain([]byte(reply)))
}
