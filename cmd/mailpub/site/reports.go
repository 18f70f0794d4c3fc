package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mailpub/mailpub/mailsvc/mailbox"
	"github.com/mailpub/mailpub/mailsvc/reports"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/providers/spf"
)

// maxReportMessages bounds how many messages are looked at for reports.
const maxReportMessages = 5000

// reportChecks are the checks of what others report; none where the config names no place for reports.
func (s *Site) reportChecks() []plan.Checker {
	r := s.cfg.Verify.Reports
	if r.Maildir == "" && r.IMAP == "" {
		return nil
	}

	ids := []string{catalog.DMARCSenders, catalog.TLSRPTFailures}
	return []plan.Checker{{Area: catalog.AreaMail, IDs: ids, Timeout: 2 * time.Minute, Run: func(ctx context.Context) []plan.Check {
		found, err := s.readReports(ctx, reports.Window)
		if err != nil {
			var checks []plan.Check
			for _, id := range ids {
				checks = append(checks, plan.Check{ID: id, Subject: plan.About("the reports"), Status: plan.Skip, Got: err.Error(),
					Hint: "see verify.reports", Reason: plan.ReasonUnseen})
			}
			return checks
		}

		return found.Checks(s.reportSite(ctx, reports.Window))
	}}}
}

// reportSite is what reports are judged by.
func (s *Site) reportSite(ctx context.Context, window time.Duration) reports.Site {
	return reports.Site{
		Domains: domainNames(s.spec),
		Own:     s.spec.Public,
		Listed:  spf.Senders{Resolver: s.resolver}.Listed(ctx),
		Now:     time.Now(),
		Window:  window,
	}
}

// Reported is what others reported on the site's mail.
type Reported struct {
	DMARC    int                `json:"dmarc_reports"`
	TLS      int                `json:"tls_reports"`
	Senders  []reports.Sender   `json:"senders"`
	Sessions []reports.Sessions `json:"tls_sessions"`
	Bad      []string           `json:"unreadable,omitempty"` // why some could not be read
}

// Reports sums up the reports of a time: those of files and directories, or those of verify.reports where none is
// given.
func (s *Site) Reports(ctx context.Context, paths []string, window time.Duration) (*Reported, error) {
	found := &reports.Found{}
	var err error
	if len(paths) == 0 {
		if found, err = s.readReports(ctx, window); err != nil {
			return nil, s.cfg.Secrets().Error(err)
		}
	}

	looked := 0
	for _, path := range paths {
		if err := readTree(ctx, path, found, &looked); err != nil {
			return nil, err
		}
	}

	by := s.reportSite(ctx, window)
	out := &Reported{
		DMARC:    len(found.DMARC),
		TLS:      len(found.TLS),
		Senders:  found.Senders(by),
		Sessions: found.Sessions(by),
	}

	for _, bad := range found.Bad {
		out.Bad = append(out.Bad, bad.Error())
	}

	return out, nil
}

// readTree reads the reports of a file, or of all files below a directory but those that a Maildir is still writing.
func readTree(ctx context.Context, root string, into *reports.Found, looked *int) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir() && e.Name() == "tmp" && path != root:
			return filepath.SkipDir
		case !e.Type().IsRegular() && path != root, e.IsDir():
			return nil
		}

		if *looked++; *looked > maxReportMessages {
			return fmt.Errorf("%s: more than %d files", root, maxReportMessages)
		}

		return readReportFile(path, into)
	})
}

// readReports reads the DMARC and TLS reports of a time from where the config says that they arrive.
func (s *Site) readReports(ctx context.Context, window time.Duration) (*reports.Found, error) {
	r := s.cfg.Verify.Reports
	switch {
	case r.Maildir != "":
		return readMaildir(ctx, s.cfg.Path(r.Maildir), window)
	case r.IMAP == "":
		return nil, errors.New("the config names no place where reports arrive (verify.reports): name it there, or give files or directories with reports")
	}

	a := &mailbox.Account{
		IMAP:   r.IMAP,
		User:   r.User,
		Inside: true,
		Password: func(ctx context.Context) (string, error) {
			return s.cfg.VerifySecret(ctx, "reports.password", r.Password)
		},
	}

	session, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}

	defer session.Close()

	found := &reports.Found{}
	err = session.Each(time.Now().Add(-window), maxReportMessages,
		func(raw []byte, at time.Time) {
			found.Read(bytes.NewReader(raw), at)
		})

	return found, err
}

// readMaildir reads the reports of a Maildir, in new and cur, or in a folder of MDaemon's.
func readMaildir(ctx context.Context, root string, window time.Duration) (*reports.Found, error) {
	found := &reports.Found{}
	since := time.Now().Add(-window - 24*time.Hour)
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
			if err != nil || !info.Mode().IsRegular() || info.ModTime().Before(since) ||
				looked >= maxReportMessages {
				continue
			}

			looked++
			if err := readReportFile(filepath.Join(dir, f.Name()), found); err != nil &&
				!os.IsNotExist(err) {
				return nil, err
			}
		}
	}

	return found, nil
}

func readReportFile(path string, into *reports.Found) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}

	defer f.Close()

	written := time.Time{}
	if info, err := f.Stat(); err == nil {
		written = info.ModTime()
	}

	into.ReadFile(f, written)
	return nil
}
