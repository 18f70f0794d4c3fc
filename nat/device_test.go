package nat

import (
	"testing"
	"unicode/utf8"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

func TestParsePort(t *testing.T) {
	for _, test := range []struct {
		key  plan.Key
		want string // "" for an error
	}{
		{plan.Key{Kind: "forward", Name: "tcp/25"}, "tcp/25"},
		{plan.Key{Kind: "forward", Name: "udp/65535"}, "udp/65535"},
		{plan.Key{Kind: "dns", Name: "tcp/25"}, ""},
		{plan.Key{Kind: "forward", Name: "tcp/0"}, ""},
		{plan.Key{Kind: "forward", Name: "tcp/65536"}, ""},
		{plan.Key{Kind: "forward", Name: "tcp/025"}, ""},
		{plan.Key{Kind: "forward", Name: "TCP/25"}, ""},
		{plan.Key{Kind: "forward", Name: "sctp/25"}, ""},
		{plan.Key{Kind: "forward", Name: "tcp"}, ""},
		{plan.Key{Kind: "forward"}, ""},
	} {
		p, err := forward.ParsePort(test.key)
		if err != nil && test.want != "" || err == nil && p.String() != test.want {
			t.Errorf("%v is %v, %v; want %q", test.key, p, err, test.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for line, good := range map[string]bool{
		"10.10.10.10:25": true, "10.10.10.10:25 disabled": true,
		"10.10.10.10": false, "10.10.10.10:0": false, "mail:25": false, "[fd00::1]:25": true,
		"[::ffff:10.0.0.1]:25": false, "[fe80::1%eth0]:25": false,
		"10.10.10.10:25  disabled": false, "10.10.10.10:25 enabled": false, "": false,
	} {
		to, err := forward.ParseTarget([]string{line})
		if (err == nil) != good || good && to.String() != line {
			t.Errorf("%q is %v, %v", line, to, err)
		}
	}

	if _, err := forward.ParseTarget([]string{"10.10.10.10:25", "10.10.10.10:26"}); err == nil {
		t.Error("two lines are taken for one target")
	}
}

func TestMark(t *testing.T) {
	for site, want := range map[string]string{
		"nomeazienda": "mailpub nomeazienda", "": "mailpub", "perché\n": "mailpub perch",
		"exactly-twenty-chars": "mailpub exactly-twenty-chars",
	} {
		if got := forward.Mark(site); got != want {
			t.Errorf("mark of %q is %q, want %q", site, got, want)
		}
	}

	a := forward.Mark("a-very-long-name-of-a-site-1")
	b := forward.Mark("a-very-long-name-of-a-site-2")
	if a == b || len(a) > 28 {
		t.Errorf("marks of long names: %q and %q", a, b)
	}
}

func TestMend(t *testing.T) {
	for in, want := range map[string]string{
		"<a>b</a>": "<a>b</a>",
		"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>caff\xe8</a>": "<a>caff?</a>",
		"\r\n <?xml version='1.0'?>\n<a/>":                                           "\n<a/>",
		"<a>\x00\x01b\t</a>":                                                         "<a>b\t</a>",
		"<?xml no end":                                                               "<?xml no end",
	} {
		if got := string(sanitizeXML([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzMend(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"x\"?><root><device/></root>"))
	f.Add([]byte("<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><URLBase>http://x</URLBase><device><serviceList><service><controlURL>//y/z</controlURL></service></serviceList></device></root>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		mended := sanitizeXML(body)
		if !utf8.Valid(mended) {
			t.Errorf("%q is not UTF-8", mended)
		}

		root, err := parseDescription(mended, mustURL("http://10.10.10.1:5000/root"))
		if err == nil && root == nil {
			t.Error("neither a description nor an error")
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add("10.10.10.10:25 disabled")
	f.Add("010.10.10.10:25")
	f.Fuzz(func(t *testing.T, line string) {
		if to, err := forward.ParseTarget([]string{line}); err == nil {
			again, err := forward.ParseTarget([]string{to.String()})
			if err != nil || again != to {
				t.Errorf("%q is %v, which is %v, %v", line, to, again, err)
			}
		}
	})
}
