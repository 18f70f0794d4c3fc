package site

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mailpub/mailpub/mailsvc/mailbox"
	"github.com/mailpub/mailpub/mailsvc/reports"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// maxReportMessages bounds how many messages are looked at for reports.
const maxReportMessages = 5000

// reportChecks are the checks of what the world reports; none where the config names no place for reports.
func (s *Site) reportChecks() []plan.Checker {
	r := s.cfg.Verify.Reports
	if r.Maildir == "" && r.IMAP == "" {
		return nil
	}
	ids := []string{catalog.DMARCSenders, catalog.TLSRPTFailures}
	return []plan.Checker{{Area: catalog.AreaMail, IDs: ids, Timeout: 2 * time.Minute, Run: func(ctx context.Context) []plan.Check {
		found, err := s.readReports(ctx)
		if err != nil {
			var checks []plan.Check
			for _, id := range ids {
				checks = append(checks, plan.Check{ID: id, Subject: plan.About("the reports"), Status: plan.Skip, Got: err.Error(),
					Hint: "see verify.reports", Reason: plan.ReasonUnseen})
			}
			return checks
		}
		return found.Checks(s.reportedOn())
	}}}
}

// reportedOn is what reports are judged by.
func (s *Site) reportedOn() reports.Site {
	return reports.Site{Domains: domainNames(s.spec), Own: s.spec.Public, Now: time.Now()}
}

// readReports reads the DMARC and TLS reports of the last week.
func (s *Site) readReports(ctx context.Context) (*reports.Found, error) {
	r := s.cfg.Verify.Reports
	if r.Maildir != "" {
		return readMaildir(ctx, s.cfg.Path(r.Maildir))
	}
	a := &mailbox.Account{IMAP: r.IMAP, User: r.User, Inside: true,
		Password: func(ctx context.Context) (string, error) {
			return s.cfg.VerifySecret(ctx, "reports.password", r.Password)
		}}
	session, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	found := &reports.Found{}
	err = session.Each(time.Now().Add(-reports.Window), maxReportMessages, func(raw []byte) { found.Read(bytes.NewReader(raw)) })
	return found, err
}

// readMaildir reads the reports of a Maildir, in new and cur, or in a folder of MDaemon's.
func readMaildir(ctx context.Context, root string) (*reports.Found, error) {
	found := &reports.Found{}
	since := time.Now().Add(-reports.Window - 24*time.Hour)
	looked := 0
	for _, sub := range []string{"new", "cur", "."} {
		dir := filepath.Join(root, sub)
		files, err := os.ReadDir(dir)
		if err != nil && (sub == "." || !os.IsNotExist(err)) {
			return nil, fmt.Errorf("verify.reports.maildir: %w", err)
		}
		for _, f := range files {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			info, err := f.Info()
			if err != nil || !info.Mode().IsRegular() || info.ModTime().Before(since) || looked >= maxReportMessages {
				continue
			}
			looked++
			if err := readMessage(filepath.Join(dir, f.Name()), found); err != nil && !os.IsNotExist(err) {
				return nil, err
			}
		}
	}
	return found, nil
}

func readMessage(path string, into *reports.Found) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	into.Read(f)
	return nil
}
