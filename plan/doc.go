// Package plan is the core of mailpub: what should be, what is, the difference
// between the two, and carrying it out in a safe order.
//
// It knows no protocol. DNS zones, routers and mail services are Drivers, made
// elsewhere and handed in; what they manage reaches this package as Items, each a
// Key and a few lines of canonical text. Equal text is equal state, so the diff
// is one pure function and the same for every kind of thing.
//
// It also keeps the account of what mailpub itself put in place (the Ledger)
// and the vocabulary of checks. It imports the standard library only.
package plan
