package watch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/plan"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		name     string
		schedule Schedule
		random   int64
		want     []time.Duration
	}{
		{"every", Schedule{Every: 15 * time.Minute}, 0, []time.Duration{0, 15 * time.Minute, 30 * time.Minute, 45 * time.Minute}},
		{"jitter", Schedule{Every: 15 * time.Minute, Jitter: 2 * time.Minute}, int64(time.Minute), []time.Duration{0, 16 * time.Minute, 32 * time.Minute, 48 * time.Minute}},
		{"cron", Schedule{Every: 15 * time.Minute, Cron: hourly{}}, 0, []time.Duration{0, time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				_, stop := start(t, f, func(d *Daemon, s *Site) {
					s.Schedule = c.schedule
					d.Random = func(n int64) int64 {
						if n != int64(c.schedule.Jitter) {
							t.Errorf("random below %d", n)
						}
						return c.random
					}
				})

				pass(time.Hour + time.Second)
				stop()
				var got []time.Duration

				for _, at := range f.view().looks {
					got = append(got, at.Sub(f.start))
				}

				if !slices.Equal(got[:len(c.want)], c.want) {
					t.Errorf("looked after %v, want %v", got, c.want)
				}

				if next := f.last().Next; !next.After(f.last().At) {
					t.Errorf("next %v", next)
				}
			})
		})
	}
}

type hourly struct{}

func (hourly) Next(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }

// A pass that takes longer than the time between two does not make the next follow at once.
func TestSlowPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.looking = func(context.Context) { time.Sleep(4 * time.Minute) }
		_, stop := start(t, f, func(_ *Daemon, s *Site) {
			s.Schedule.Every = time.Minute
		})

		pass(time.Hour)
		stop()
		if n := len(f.view().looks); n < 10 || n > 16 {
			t.Errorf("%d looks in an hour", n)
		}
	})
}

func TestTransitions(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(20 * time.Minute)
		f.expect(t, "")

		f.set(func() { f.fails("mx.exists") })
		pass(3 * time.Hour)
		f.expect(t, "broke")

		if n := f.view().notices[0]; n.Title != "broken: mx.exists nomeazienda.it" ||
			!strings.Contains(n.Text, "got not well, want well") ||
			!strings.Contains(n.Text, "mend it") ||
			n.Site != "nomeazienda" || n.Format != NoticeFormat {
			t.Errorf("%+v", n)
		}

		f.set(func() { f.fails("?mx.exists") }) // nobody knows: neither
		pass(time.Hour)
		f.expect(t, "broke")
		f.set(f.well)
		pass(time.Hour)
		f.expect(t, "broke healed")
		n := f.view().notices[1]

		if n.Things[0].Seconds != (4*time.Hour).Seconds() ||
			!strings.Contains(n.Title, "well again: mx.exists nomeazienda.it, after 4 h") {
			t.Errorf("%+v", n)
		}

		if f.happenings(Broke) != 1 || f.happenings(Healed) != 1 {
			t.Errorf("events %+v", f.view().events)
		}
	})
}

// What follows from one cause is one notice, and no more when it comes later.
func TestConsequences(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(time.Minute)
		f.set(func() { f.fails("router.gateway,?router.forward,?port.outside") })
		pass(time.Hour)
		f.expect(t, "broke")
		f.set(func() { f.fails("router.gateway,?router.forward,port.outside") })
		pass(time.Hour)
		f.expect(t, "broke")
		f.set(func() { f.fails("port.outside") }) // it has stayed when its cause is gone
		pass(time.Hour)
		f.expect(t, "broke broke healed")
		f.set(f.well)
		pass(time.Hour)
		f.expect(t, "broke broke healed healed")
	})
}

// What could not be read once may be there a moment later, and is no news then.
func TestSoft(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(time.Minute)
		silent := func() {
			f.found.Unread = []plan.PartyError{{Target: plan.ParseTarget("zone nomeazienda.it"), Err: errors.New("connection refused")}}
		}

		f.set(silent)
		pass(14*time.Minute + 10*time.Second)
		f.set(f.well) // before the second look
		pass(time.Hour)
		f.expect(t, "")
		f.set(silent)
		pass(time.Hour)
		f.expect(t, "broke")
		f.set(f.well)
		pass(time.Hour)
		f.expect(t, "broke healed")
	})
}

func TestFlapping(t *testing.T) {
	watched(t, func(_ *Daemon, s *Site) {
		s.Schedule.Every = time.Minute
	}, func(t *testing.T, f *fake) {
		pass(30 * time.Second)
		for range 20 {
			f.set(func() { f.fails("mx.exists") })
			pass(2 * time.Minute)
			f.set(f.well)
			pass(2 * time.Minute)
		}

		f.expect(t, "broke healed broke healed flapping")
		pass(3 * time.Hour)
		f.expect(t, "broke healed broke healed flapping settled")

		if n := f.view().notices[5]; !strings.Contains(n.Text,
			"mx.exists nomeazienda.it is stable again, and works") {
			t.Error(n.Text)
		}

		f.set(func() { f.fails("mx.exists") }) // and from now on it is as before
		pass(2 * time.Minute)
		f.expect(t, "broke healed broke healed flapping settled broke")
	})
}

// The router restarts and says so: its forwards are back at once.
func TestRestart(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(time.Minute)
		f.set(func() {
			f.mend = func(RepairRequest) (RepairResult, error) {
				time.Sleep(300 * time.Millisecond)
				lost := forwards("25", "110")
				return RepairResult{Found: lost, Done: lost}, nil
			}
		})

		f.signals <- RouterEvent{RouterRestarted, "its epoch is 0"}
		pass(2 * time.Second)
		f.expect(t, "broke repaired")

		if n := f.view().notices[1]; n.Things[0].Seconds != 0.3 ||
			!strings.Contains(n.Title, "after 300 ms") ||
			!strings.Contains(n.Title, "the router restarted and forgot its forwards") {
			t.Errorf("%+v", n)
		}

		if len(f.view().looks) != 2 {
			t.Errorf("%d looks", len(f.view().looks))
		}
	})
}

// The router is gone for a day: one notice, and fewer and fewer tries; one when it is back.
func TestRouterGoneForADay(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(time.Minute)
		f.set(func() {
			f.fails("router.gateway,?router.forward,?port.outside")
			f.found.Err = errors.New("server.public.ipv4 is auto, and the public address is unknown")
			f.found.Unread = []plan.PartyError{{Target: plan.ParseTarget("router"), Err: errSilent}}
			f.mend = func(RepairRequest) (RepairResult, error) {
				return RepairResult{}, errSilent
			}
		})

		f.signals <- RouterEvent{RouterGone, "it says goodbye"}
		f.signals <- RouterEvent{RouterRestarted, "and is back, but not quite"}
		pass(24 * time.Hour)
		f.expect(t, "broke")

		if n := len(f.view().looks); n > 110 {
			t.Errorf("%d looks in a day", n)
		}

		if n := len(f.view().orders); n < 12 || n > 120 {
			t.Errorf("%d tries in a day", n)
		}

		lost := forwards("25", "110")
		f.set(func() {
			f.well()
			f.mend = func(RepairRequest) (RepairResult, error) {
				return RepairResult{
					Found: lost,
					Done:  lost,
				}, nil
			}
		})

		f.signals <- RouterEvent{RouterRestarted, "its epoch is 0"}
		pass(time.Minute)
		f.expect(t, "broke healed")

		if n := f.view().notices[1]; !strings.HasPrefix(n.Title,
			"over: no router answers, after 1 d") || n.Things[0].Seconds < 86000 {
			t.Errorf("%+v", n)
		}
	})
}

// A router that comes back without a word is found all the same, long before the next pass.
func TestRouterBackWithoutAWord(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(14 * time.Minute)
		f.set(func() {
			f.fails("router.gateway,?router.forward,?port.outside")
			f.mend = func(RepairRequest) (RepairResult, error) {
				return RepairResult{}, errSilent
			}
		})

		pass(3 * time.Minute)
		f.expect(t, "broke")
		lost := forwards("25", "110")
		f.set(func() {
			f.well()
			f.mend = func(RepairRequest) (RepairResult, error) {
				return RepairResult{
					Found: lost,
					Done:  lost,
				}, nil
			}
		})

		pass(3 * time.Minute)
		f.expect(t, "broke healed")
	})
}

// What nobody can say for hours makes the passes come no faster.
func TestNobodyKnows(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(time.Minute)
		f.set(func() {
			f.found.Unread = []plan.PartyError{{Target: plan.ParseTarget("zone nomeazienda.it"), Err: errSilent}}
		})

		pass(14*time.Minute + time.Second)
		f.set(func() {
			f.found.Unread = nil
			f.found.Err = errors.New("no network")
		})

		pass(6 * time.Hour)
		if n := len(f.view().looks); n > 30 {
			t.Errorf("%d looks in 6 hours", n)
		}

		f.expect(t, "broke")
	})
}

// A repair that fails again and again is told once, and once that it is over.
func TestRepairFails(t *testing.T) {
	watched(t, func(_ *Daemon, s *Site) {
		s.Policy.Repair = []string{DNS}
	}, func(t *testing.T, f *fake) {
		pass(time.Minute)
		f.set(func() {
			f.fails("mx.exists")
			f.found.Mendable = []string{DNS, Router}
			f.mend = func(RepairRequest) (RepairResult, error) {
				return RepairResult{}, errors.New("zone nomeazienda.it: REFUSED")
			}
		})

		pass(5 * time.Hour)
		f.expect(t, "broke broke")
		if n := f.view().notices[1]; !strings.Contains(n.Text, "REFUSED") {
			t.Error(n.Text)
		}

		if n := len(f.view().looks); n > 30 {
			t.Errorf("%d looks in 5 hours", n)
		}

		f.set(f.well)
		pass(time.Hour)
		f.expect(t, "broke broke healed")
	})
}

func TestNoticeIsText(t *testing.T) {
	n := Notice{
		Title:  "broken: \x1b[31mred\r\nBcc: x",
		Text:   "one\ntwo\x07\u202e",
		Things: []Item{{Got: "a\x00b"}},
	}

	n.clean()
	if n.Title != "broken: ?[31mred??Bcc: x" || n.Text != "one\ntwo??" ||
		n.Things[0].Got != "a?b" {
		t.Errorf("%+v", n)
	}
}

func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		lease := func() (time.Time, []Lease) {
			return time.Now().Add(61 * time.Second), []Lease{{Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Until: time.Now().Add(2 * time.Minute)}}
		}

		f.found.Renew, f.found.Leases = lease()
		renewed := forwards("25")
		renewed[0].Renew = true
		f.mend = func(o RepairRequest) (out RepairResult, err error) {
			out.Found = renewed
			out.Done = renewed
			out.Renew, out.Leases = lease()
			f.found.Renew = out.Renew
			f.found.Leases = out.Leases
			return out, nil
		}

		_, stop := start(t, f, nil)
		defer stop()

		pass(time.Hour)
		if n := len(f.view().orders); n < 56 || n > 60 {
			t.Errorf("%d renewals in an hour of leases of two minutes", n)
		}

		if len(f.view().looks) != 5 && len(f.view().looks) != 4 {
			t.Errorf("%d looks", len(f.view().looks))
		}

		f.expect(t, "")
		if f.happenings(Renewed) != len(f.view().orders) {
			t.Errorf("%d events", f.happenings(Renewed))
		}

		// A router that refuses: tried again soon and then less often, and told once.
		f.set(func() {
			f.mend = func(RepairRequest) (RepairResult, error) {
				return RepairResult{}, errors.New("606 not authorised")
			}
		})

		before := len(f.view().orders)
		pass(10 * time.Minute)
		f.expect(t, "broke")

		if n := len(f.view().orders) - before; n < 5 || n > 15 {
			t.Errorf("%d tries in 10 minutes", n)
		}
	})
}

// A router that lends for a second makes no busy loop.
func TestShortLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.found.Renew = time.Now().Add(time.Second)
		f.mend = func(RepairRequest) (RepairResult, error) {
			return RepairResult{Renew: time.Now().Add(time.Second)}, nil
		}

		_, stop := start(t, f, nil)
		defer stop()

		pass(10 * time.Minute)
		if n := len(f.view().orders); n > 61 {
			t.Errorf("%d renewals in 10 minutes", n)
		}
	})
}

// The policy is kept to: without "router" nothing is renewed or put back.
func TestPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.found.Mendable, f.found.Renew = []string{Router, DNS, Service,
			Address}, time.Now().Add(time.Minute)

		f.fails("router.forward,mx.exists")
		_, stop := start(t, f, func(_ *Daemon, s *Site) { s.Policy.Repair = nil })
		defer stop()

		pass(30 * time.Second)
		f.signals <- RouterEvent{RouterRestarted, "its epoch is 0"}
		pass(2 * time.Hour)

		if len(f.view().orders) > 0 {
			t.Errorf("ordered %+v", f.view().orders)
		}

		f.expect(t, "broke")
	})
}

// What a pass finds and may mend is one notice of the trouble and one of its end.
func TestRepairInPass(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(time.Minute)
		lost := forwards("25", "110")
		f.set(func() {
			f.fails("router.forward")
			f.found.Mendable = []string{Router, DNS}
			f.found.Report.Changes = lost
			f.mend = func(o RepairRequest) (RepairResult, error) {
				f.well()
				return RepairResult{Found: lost, Done: lost}, nil
			}
		})

		pass(20 * time.Minute)
		f.expect(t, "broke repaired")
		if o := f.view().orders[0]; !slices.Equal(o.Kinds, []string{Router}) ||
			len(f.view().orders) != 1 {
			t.Errorf("%+v", f.view().orders)
		}

		if s := f.last(); plan.Count(s.Report.Checks).Fail > 0 || !s.Report.Drift ||
			s.Report.Site != "nomeazienda" {
			t.Errorf("%+v", s)
		}
	})
}

// While somebody applies by hand there is half of something to be seen, which is no news.
func TestBusy(t *testing.T) {
	watched(t, nil, func(t *testing.T, f *fake) {
		pass(14 * time.Minute)
		f.set(func() { f.busy = true; f.fails("mx.exists") })
		pass(2 * time.Minute)
		f.expect(t, "")
		f.set(func() { f.busy = false; f.well() })
		pass(time.Minute)
		f.expect(t, "")

		if len(f.view().looks) != 2 {
			t.Errorf("%d looks", len(f.view().looks))
		}

		f.set(func() { f.busy = true; f.fails("mx.exists") }) // somebody forgot a prompt
		pass(time.Hour)
		f.expect(t, "broke")
	})
}
