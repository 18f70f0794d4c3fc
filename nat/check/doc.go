// Package check checks the router: that there is one, that its address outside is public and the
// one that is published, and that the forwards are in it. It knows what each check wants and what to
// do when it fails; it writes nothing, and knows no protocol: nat.Router does.
package check
