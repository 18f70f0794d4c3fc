package watch

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// configs is what a daemon loads.
type configs struct {
	mu    sync.Mutex
	sites []Site
	wrong []BadConfig
}

func (c *configs) set(sites []Site, wrong ...BadConfig) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sites = sites
	c.wrong = wrong
}

func (c *configs) load(context.Context) ([]Site, []BadConfig, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sites, c.wrong, nil
}

// watchOver starts a daemon of configs.
func watchOver(t *testing.T, f *fake, c *configs) (*Daemon, context.CancelFunc) {
	return start(t, f, func(d *Daemon, _ *Site) { d.Load = c.load })
}

// A file that is wrong from the start is told to the observers as a site that nobody looks at, and one
// that becomes wrong later with what the former one sees.
func TestWrongFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := &configs{}
		site := f.site()
		wrong := BadConfig{"/etc/mailpub/gamma.yaml", errors.New("gamma.yaml:3: no such zone")}
		c.set([]Site{site}, wrong)
		var mu sync.Mutex
		seen := map[string]error{}
		d, stop := start(t, f, func(d *Daemon, _ *Site) {
			d.Load = c.load
			d.Observers = append(d.Observers, observerFunc{
				seen: func(s Snapshot) {
					mu.Lock()
					defer mu.Unlock()
					seen[s.Site] = s.Config
				},
			})
		})

		defer stop()

		pass(time.Minute)
		mu.Lock()
		if seen["gamma.yaml"] == nil || seen[site.Name] != nil {
			t.Errorf("%v", seen)
		}

		mu.Unlock()
		if got := d.status(); !strings.Contains(got, "1 not watched: errors in the config") {
			t.Errorf("status %q", got)
		}

		c.set([]Site{site})
		d.Changed()
		pass(time.Minute)

		if got := d.status(); strings.Contains(got, "not watched") {
			t.Errorf("the file is right, and the status is %q", got)
		}

		// One that was right before goes on, and its snapshot says that its file is wrong now.
		c.set(nil, BadConfig{site.File, errors.New("site.yaml:1: no such field")})
		d.Changed()
		pass(time.Minute)
		mu.Lock()

		if seen[site.Name] == nil {
			t.Error("the snapshot does not say that the config is wrong")
		}

		mu.Unlock()
		c.set([]Site{site})
		d.Changed()
		pass(time.Minute)
		mu.Lock()

		if seen[site.Name] != nil {
			t.Errorf("the config is right again, and the snapshot says %v", seen[site.Name])
		}

		mu.Unlock()
	})
}

// observerFunc is an Observer of snapshots alone.
type observerFunc struct{ seen func(Snapshot) }

func (o observerFunc) Seen(s Snapshot) { o.seen(s) }
func (o observerFunc) Happened(Event)  {}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := &configs{}
		site := f.site()
		c.set([]Site{site})
		d, stop := watchOver(t, f, c)
		defer stop()

		pass(time.Minute)
		d.Changed() // a file was touched, and says the same
		pass(time.Minute)

		if len(f.view().looks) != 1 || f.happenings(Reloaded) != 0 {
			t.Errorf("%d looks, %d reloads", len(f.view().looks), f.happenings(Reloaded))
		}

		wrong := BadConfig{"site.yaml", errors.New(`site.yaml:3: server.address: "10.10.10" is no address`)}
		c.set(nil, wrong)
		d.Changed()
		pass(time.Hour)
		f.expect(t, "config-wrong")

		if n := f.view().notices[0]; !strings.Contains(n.Text, "server.address") ||
			!strings.Contains(n.Title, "the former version stays in use") {
			t.Errorf("%+v", n)
		}

		if n := len(f.view().looks); n != 5 {
			t.Errorf("%d looks: the former one does not hold", n)
		}

		d.Changed() // still wrong: that was said
		pass(time.Minute)
		f.expect(t, "config-wrong")

		site.Digest = "2"
		site.Schedule.Every = time.Hour
		c.set([]Site{site})

		for range 5 { // an editor writes in several steps
			d.Changed()
			pass(100 * time.Millisecond)
		}

		pass(time.Minute)
		f.expect(t, "config-wrong reloaded")
		if n := f.happenings(Reloaded); n != 1 {
			t.Errorf("%d reloads", n)
		}

		if next := f.last().Next.Sub(f.last().At); next != time.Hour {
			t.Errorf("next after %v", next)
		}

		d.Reload() // SIGHUP takes up all anew, whatever the file says
		pass(time.Minute)
		if n := f.happenings(Reloaded); n != 2 {
			t.Errorf("%d reloads", n)
		}

		f.expect(t, "config-wrong reloaded")
	})
}

func TestSitesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newFake()
		two := newFake()
		c := &configs{}
		first := one.site()
		second := two.site()
		second.Name = "second"
		second.File = "second.yaml"
		second.Home = "/state/second"
		c.set([]Site{first})
		d, stop := watchOver(t, one, c)
		pass(time.Minute)
		twin := second
		twin.File = "twin.yaml"
		c.set([]Site{first, second, twin}, BadConfig{"third.yaml", errors.New("no site")})
		d.Changed()
		pass(time.Hour)

		if len(two.view().looks) != 5 && len(two.view().looks) != 4 {
			t.Errorf("%d looks at the second", len(two.view().looks))
		}

		c.set([]Site{first})
		d.Changed()
		pass(time.Minute)
		before := len(two.view().looks)
		pass(time.Hour)

		if len(two.view().looks) != before || one.happenings(Left) != 1 ||
			one.happenings(Joined) != 2 {
			t.Errorf("%d looks, %d left, %d joined", len(two.view().looks)-before,
				one.happenings(Left), one.happenings(Joined))
		}

		c.set(nil)
		d.Changed() // nothing left: it waits for what comes
		pass(time.Minute)
		c.set([]Site{first})
		d.Changed()
		pass(time.Minute)

		if one.happenings(Joined) != 3 {
			t.Errorf("%d joined", one.happenings(Joined))
		}

		stop()
	})
}

func TestNothingToWatch(t *testing.T) {
	for _, wrong := range [][]BadConfig{nil,
		{{"site.yaml", errors.New("site.yaml:1: no such field")}}} {
		d := &Daemon{Load: func(context.Context) ([]Site, []BadConfig, error) {
			return nil, wrong, nil
		}}
		if err := d.Run(t.Context()); err == nil ||
			wrong != nil && err.Error() != wrong[0].Err.Error() {
			t.Errorf("%v", err)
		}
	}
}

// A channel that hangs has its deadline, is tried again, given up, and holds up neither the
// watching nor the other channels.
func TestHangingChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var tries atomic.Int32
		_, stop := start(t, f, func(_ *Daemon, s *Site) {
			s.Schedule.Every = time.Minute
			s.Channels = append([]Channel{{Name: "hangs", Send: func(ctx context.Context, _ Notice) error {
				tries.Add(1)
				<-ctx.Done()
				return ctx.Err()
			}}}, s.Channels...)
		})

		defer stop()

		pass(30 * time.Second)
		f.set(func() { f.fails("mx.exists") })
		pass(time.Hour)
		f.expect(t, "broke")

		if n := len(f.view().looks); n < 60 {
			t.Errorf("%d looks in an hour", n)
		}

		if tries.Load() != 5 || f.happenings(NoticeUndelivered) != 1 {
			t.Errorf("%d tries, given up %d times", tries.Load(),
				f.happenings(NoticeUndelivered))
		}
	})
}

// A channel that does not even keep to its context is left behind.
func TestDeafChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		err := Try(t.Context(), Channel{
			Name: "deaf",
			Send: func(context.Context, Notice) error { <-let; return nil },
		}, Notice{})

		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}

		close(let)
	})
}

// Notices that nobody takes do not pile up without end, and the end of the daemon does not wait
// for them for long.
func TestManyNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		_, stop := start(t, f, func(_ *Daemon, s *Site) {
			s.Channels = []Channel{{Name: "hangs", Send: func(ctx context.Context, _ Notice) error { <-ctx.Done(); return ctx.Err() }}}
		})

		pass(time.Second)
		q := newQueues(discard())
		q.setChannels([]Channel{{Name: "hangs", Send: func(ctx context.Context, _ Notice) error { <-ctx.Done(); return ctx.Err() }}})

		for range 10 * queueMost {
			q.put(Notice{})
		}

		q.mu.Lock()
		if n := len(q.to[0].waiting); n > queueMost {
			t.Errorf("%d wait", n)
		}

		q.mu.Unlock()
		at := time.Now()
		q.close(flushTime)
		stop()

		if d := time.Since(at); d > flushTime+time.Second {
			t.Errorf("it took %v to end", d)
		}
	})
}

// The clock is set: what is due is not left for hours, and nothing runs wild.
func TestClockJump(t *testing.T) {
	for _, jump := range []time.Duration{6 * time.Hour, -6 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				var mu sync.Mutex
				var off time.Duration
				_, stop := start(t, f, func(d *Daemon, _ *Site) {
					d.Now = func() time.Time {
						mu.Lock()
						defer mu.Unlock()
						return time.Now().Add(off)
					}
				})

				defer stop()

				pass(5 * time.Minute)
				mu.Lock()
				off = jump
				mu.Unlock()
				pass(15 * time.Second)

				if n := len(f.view().looks); n != 2 || f.happenings(ClockJumped) != 1 {
					t.Errorf("%d looks, %d jumps", n, f.happenings(ClockJumped))
				}

				pass(time.Hour)
				if n := len(f.view().looks); n != 6 && n != 5 {
					t.Errorf("%d looks an hour later", n)
				}
			})
		})
	}
}

// A look that hangs for good keeps the sign of life from being given; nothing else does.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var mu sync.Mutex
		beats := 0
		first := ""
		said := ""
		states := []string(nil)
		hang := make(chan struct{})
		_, stop := start(t, f, func(d *Daemon, _ *Site) {
			d.Beat = func(status string) {
				mu.Lock()
				defer mu.Unlock()
				beats++
				said, first = status, cmp.Or(first, status)
			}
			d.State = func(s string) { states = append(states, s) }
		})

		pass(time.Hour)
		if mu.Lock(); beats < 360 || first != "1 site: looking" || said != "1 site: 1 well" {
			t.Errorf("%d beats, %q, %q", beats, first, said)
		}

		mu.Unlock()
		f.set(func() { f.looking = func(context.Context) { <-hang } })
		pass(30 * time.Minute)
		mu.Lock()
		before := beats
		mu.Unlock()
		pass(time.Hour)

		if mu.Lock(); beats != before {
			t.Errorf("%d beats while it hangs", beats-before)
		}

		mu.Unlock()
		close(hang)
		stop()

		if got := strings.Join(states, " "); got != "ready stopping" {
			t.Errorf("states %q", got)
		}
	})
}

// The sign of life does not wait for configs that take long to read, and neither do the sites.
func TestSlowReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := &configs{}
		c.set([]Site{f.site()})
		var beats, loads atomic.Int64
		d, stop := start(t, f, func(d *Daemon, _ *Site) {
			d.Beat = func(string) { beats.Add(1) }
			d.Load = func(ctx context.Context) ([]Site, []BadConfig, error) {
				if loads.Add(1) > 1 {
					time.Sleep(time.Hour)
				}
				return c.load(ctx)
			}
		})

		defer stop()

		pass(time.Minute)
		d.Changed()
		d.Reload() // what comes at once is not lost
		before := beats.Load()
		looks := len(f.view().looks)
		pass(50 * time.Minute)
		if n := beats.Load() - before; n < 300 {
			t.Errorf("%d signs of life within 50 min", n)
		}
		if n := len(f.view().looks) - looks; n < 3 {
			t.Errorf("%d looks within 50 min", n)
		}

		pass(time.Hour)
		if n := f.happenings(Reloaded); n != 1 {
			t.Errorf("%d reloads", n)
		}
	})
}

// Two daemons: one leads, the other stands by, and takes over without telling all again.
func TestTwoDaemons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lock sync.Mutex
		lead := func(ctx context.Context, waiting func(string)) (func(), error) {
			if lock.TryLock() {
				return lock.Unlock, nil
			}

			waiting("process 1")
			for ctx.Err() == nil {
				if lock.TryLock() {
					return lock.Unlock, nil
				}
				sleep(ctx, time.Second)
			}

			return nil, ctx.Err()
		}

		one := newFake()
		two := newFake()
		one.fails("mx.exists")
		two.fails("mx.exists")
		_, stopOne := start(t, one, func(_ *Daemon, s *Site) { s.Lead = lead })
		pass(time.Second)
		_, stopTwo := start(t, two, func(_ *Daemon, s *Site) {
			s.Lead = lead
			s.Memory = one
		})

		pass(time.Hour)
		one.expect(t, "broke")
		two.expect(t, "")

		if len(two.view().looks) > 0 || !two.last().Standby || two.happenings(StandingBy) != 1 {
			t.Errorf("%d looks, %+v", len(two.view().looks), two.last())
		}

		stopOne()
		pass(time.Minute)
		if len(two.view().looks) != 1 || two.last().Standby || two.happenings(TookOver) != 1 {
			t.Errorf("%d looks, %+v", len(two.view().looks), two.last())
		}

		two.set(two.well)
		pass(time.Hour)
		two.expect(t, "healed")
		stopTwo()
	})
}

// A restart is no news, and no way around the damping.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := newMoving(t, func(p *Policy) { p.ChangesPerHour = 1 })
		m.move(addrB, "the router", "opendns")
		m.signals <- RouterEvent{AddressSeen, ""}
		pass(time.Minute)
		stop()
		saves := m.view().saves
		m.move(addrA, "the router", "opendns")
		_, stop = start(t, m.fake, func(_ *Daemon, s *Site) {
			s.Policy.Repair = []string{Address}
			s.Policy.ChangesPerHour = 1
		})

		pass(30 * time.Minute)
		m.expect(t, "changed-address held-address")
		stop()
		_, stop = start(t, m.fake, func(_ *Daemon, s *Site) {
			s.Policy.Repair = []string{Address}
			s.Policy.ChangesPerHour = 1
		})

		pass(20 * time.Minute)
		m.expect(t, "changed-address held-address")
		stop()

		if m.view().saves-saves > 4 {
			t.Errorf("%d saves in an hour in which one thing happened", m.view().saves-saves)
		}

		m.set(func() { m.kept = []byte("{broken") })
		_, stop = start(t, m.fake, nil)
		pass(time.Minute)
		stop()
	})
}

// A disk that is full keeps nothing, and keeps nobody from watching; that it can't be made sure
// who leads is told.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.full = true
		var full atomic.Bool
		full.Store(true)
		_, stop := start(t, f, func(_ *Daemon, s *Site) {
			s.Lead = func(context.Context, func(string)) (func(), error) {
				if full.Load() {
					return nil, errors.New("lock: no space left on device")
				}
				return func() {}, nil
			}
		})

		defer stop()

		pass(10 * time.Minute)
		f.expect(t, "broke")
		full.Store(false)
		pass(time.Hour)
		f.expect(t, "broke healed")
		f.set(func() { f.fails("mx.exists") })
		pass(time.Hour)
		f.set(f.well)
		pass(time.Hour)
		f.expect(t, "broke healed broke healed")
	})
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.fails("mx.exists")
		once := func() []Snapshot {
			d := &Daemon{
				Load: func(context.Context) ([]Site, []BadConfig, error) {
					return []Site{f.site()}, nil, nil
				},
				Observers: []Observer{f},
			}

			seen, err := d.Once(t.Context())
			if err != nil {
				t.Fatal(err)
			}

			return seen
		}

		once()
		once()
		f.expect(t, "broke")
		f.well()

		if seen := once(); seen[0].Site != "nomeazienda" || len(seen[0].Report.Checks) == 0 {
			t.Errorf("%+v", seen)
		}

		f.expect(t, "broke healed")

		d := &Daemon{Load: func(context.Context) ([]Site, []BadConfig, error) {
			s := f.site()
			s.Lead = func(ctx context.Context, waiting func(string)) (func(), error) {
				waiting("process 7")
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []Site{s}, nil, nil
		}}

		if _, err := d.Once(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "watched already, by process 7") {
			t.Error(err)
		}
	})
}
