package dnscheck

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// hosts compares the machine's own table of hosts with DNS: a mapping forgotten there
// makes every look from here lie.
func (e *checkRun) hosts() {
	file := e.HostsFile
	if file == "" {
		file = hostsFile()
	}

	table, err := readHosts(file)
	if errors.Is(err, fs.ErrNotExist) && e.HostsFile == "" {
		table, err = nil, nil // a system without a table maps nothing
	}

	names := []string{e.Host}
	for _, n := range e.Names {
		if n = mail.FQDN(n); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}

	for _, name := range names {
		c := plan.Check{
			ID:      catalog.ConfigHosts,
			Subject: subjectOf(name),
			Want:    "nothing else than in DNS",
			Ref:     file,
		}

		mapped := table[name]
		switch {
		case err != nil:
			c.Status, c.Got, c.Hint = plan.Skip, err.Error(), "let mailpub read "+file
		case len(mapped) == 0:
			c.Status = plan.Pass
			c.Got = "not mapped"
		default:
			e.compareHosts(&c, name, mapped, file)
		}

		e.add(c)
	}
}

func (e *checkRun) compareHosts(c *plan.Check, name string, mapped []netip.Addr, file string) {
	c.Status = plan.Pass
	c.Got = fmt.Sprint("mapped to ", mapped[0])
	for _, addr := range mapped {
		a, err := e.Authoritative(e.ctx, name, mail.AddressType(addr))
		if err != nil {
			c.Status = plan.Skip
			c.Got = fmt.Sprintf("mapped to %s; DNS: %v", addr, err)
			c.Hint = hintUnknown
			return
		}

		if !slices.Contains(a.Addresses(), addr) {
			c.Status, c.Got = plan.Fail, fmt.Sprintf("mapped to %s; in DNS: %s", addr,
				answerSummary(a))
			c.Hint = fmt.Sprintf("remove %s from its line in %s: programs on this machine use %s instead of the public address",
				record.Bare(name), file, addr)
			return
		}
	}
}

// readHosts returns the addresses of each name, absolute and in lower case.
func readHosts(file string) (map[string][]netip.Addr, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return hostsIn(f)
}

func hostsIn(r io.Reader) (map[string][]netip.Addr, error) {
	table := map[string][]netip.Addr{}
	in := bufio.NewScanner(r)
	for in.Scan() {
		line, _, _ := strings.Cut(in.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}

		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue // the system ignores such a line too
		}

		for _, name := range fields[1:] {
			name = mail.FQDN(name)
			table[name] = append(table[name], addr.Unmap())
		}
	}

	return table, in.Err()
}
