package nat

import (
	"fmt"
)

// Codes with which a UPnP router refuses (UPnP Device Architecture 1.1,
// section 3.2, and the actions of WANIPConnection:2).
const (
	codeInvalidAction = 401
	codeInvalidArgs   = 402
	codeActionFailed  = 501
	codeNotAuthorized = 606
	codeIndexInvalid  = 713
	codeWildcardHost  = 715
	codeWildcardPort  = 716
	codeNoSuchEntry   = 714
	codeConflict      = 718
	codeSamePort      = 724
	codePermanentOnly = 725
	codeNoPortMaps    = 728
	codeOtherMeans    = 729

	codePinholesOff   = 702 // WANIPv6FirewallControl:1 section 2.6
	codeNoSuchPinhole = 704
)

// refusal is a router's no.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the router answers %d %q", r.code,
		r.text)
}
