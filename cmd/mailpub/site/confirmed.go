package site

import (
	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
)

// setConfirmations tells a driver what the administrator answers for, and since when.
func setConfirmations(m *mailsvc.Manual, cfg *config.Config, l *plan.Ledger) {
	m.Confirmations.Needs = cfg.Service.Confirmed
	m.Confirmations.Recorded = l.Grant
}
