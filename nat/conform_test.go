package nat

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/plantest"
)

func forwardItem(name, to string) plan.Item {
	return plan.Item{
		Key: plan.Key{
			Kind: forward.Kind,
			Name: name,
		},
		Lines: []string{to},
		Lease: time.Hour,
	}
}

func TestConformance(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprintf("IGD %d", version), func(t *testing.T) {
			plantest.Run(t, func(t *testing.T) plantest.Harness {
				d := device1(t, igd.Config{Version: version})
				err := d.Set(igd.Mapping{
					Proto:    "tcp",
					External: 8080,
					Internal: netip.MustParseAddrPort("127.0.0.9:80"),
					Enabled:  true,
				})

				if err != nil {
					t.Fatal(err)
				}

				items := []plan.Item{forwardItem("tcp/25", server),
					forwardItem("tcp/110", "127.0.0.1:110"), forwardItem("udp/25", server)}

				return plantest.Harness{
					Driver: openURL(t, d),
					Items:  items,
					Other:  []string{"127.0.0.9:2525 disabled"},
					Foreign: func(t *testing.T, k plan.Key, lines []string) {
						p, err := forward.ParsePort(k)
						if err != nil {
							t.Fatal(err)
						}

						if lines == nil {
							d.Remove(p.Proto, p.Number)
							return
						}

						to, err := forward.ParseTarget(lines)
						if err != nil {
							t.Fatal(err)
						}

						err = d.Set(igd.Mapping{
							Proto:       p.Proto,
							External:    p.Number,
							Enabled:     !to.Disabled,
							Description: "somebody's",
							Internal: netip.AddrPortFrom(netip.MustParseAddr(to.Host),
								to.Port),
						})

						if err != nil {
							t.Fatal(err)
						}
					},
					Strangers: func(*testing.T) (all []string) {
						for _, m := range d.Mappings() {
							if m.External == 8080 {
								all = append(all, fmt.Sprint(m))
							}
						}
						return all
					},
				}
			})
		})
	}
}

const insideEnv = "MAILPUB_NAT_INSIDE"

// TestConformanceInLab runs the suite against miniupnpd: this test binary again, as a
// process on the mail server's host.
func TestConformanceInLab(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		t.Skip("this is the process inside")
	}

	t.Parallel()
	l := lab.Up(t, lab.Options{Open: true})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	cmd := l.Command(t.Context(), "lan", self, "-test.run=^TestConformanceInside$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"="+l.Name)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out),
		"--- PASS: TestConformanceInside/the_router/putting") {
		t.Errorf("inside: %v\n%s", err, out)
	}
}

func TestConformanceInside(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("runs on a host of the lab, see TestConformanceInLab")
	}

	open := func(t *testing.T, site string) *Router {
		t.Helper()
		r, err := Open(t.Context(), Options{
			Selection: Selection{URL: "http://" + lab.Router + ":5000/rootDesc.xml"},
			Owner:     Owner{Site: site},
		})

		if err != nil {
			t.Fatal(err)
		}

		return r
	}

	items := []plan.Item{forwardItem("tcp/25", lab.Server+":25"),
		forwardItem("tcp/110", lab.Server+":110"), forwardItem("udp/25", lab.Server+":25")}

	theirs := forward.Target{Host: lab.Neighbour, Port: 80}
	t.Run("the router", func(t *testing.T) {
		plantest.Run(t, func(t *testing.T) plantest.Harness {
			stranger := open(t, "somebody").device
			for _, it := range items {
				p, err := forward.ParsePort(it.Key)
				if err != nil {
					t.Fatal(err)
				}
				if err := stranger.Remove(t.Context(), p, theirs); err != nil {
					t.Fatal(err)
				}
			}

			if err := stranger.Add(t.Context(), forward.Port{
				Proto:  "tcp",
				Number: 8080,
			}, theirs, time.Hour); err != nil {
				t.Fatal(err)
			}

			return plantest.Harness{
				Driver: open(t, "nomeazienda"),
				Items:  items,
				Other:  []string{lab.Neighbour + ":2525"},
				Foreign: func(t *testing.T, k plan.Key, lines []string) {
					p, err := forward.ParsePort(k)
					if err != nil {
						t.Fatal(err)
					}

					if lines == nil {
						err = stranger.Remove(t.Context(), p, theirs)
					} else if to, e := forward.ParseTarget(lines); e != nil {
						err = e
					} else {
						err = stranger.Add(t.Context(), p, to, time.Hour)
					}

					if err != nil {
						t.Fatal(err)
					}
				},
				Strangers: func(t *testing.T) (all []string) {
					found, err := stranger.Read(t.Context(),
						[]forward.Port{{Proto: "tcp", Number: 8080}})

					if err != nil {
						t.Fatal(err)
					}

					for _, m := range found {
						all = append(all, fmt.Sprint(m.Port, m.Lines(), m.Description))
					}

					slices.Sort(all)
					return all
				},
			}
		})
	})
}
