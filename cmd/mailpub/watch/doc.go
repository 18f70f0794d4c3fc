// Package watch is the daemon's logic: when to look at a site, what it may mend by itself, and
// of what it finds what is news.
//
// It knows sites as functions that plan, verify, repair, listen and tell, and no protocol, no
// config file and no command line. Its clock is package time's, so that a test can let a week
// pass at once (testing/synctest).
package watch
