// Package zonetest is the zone that the tests of DNS share, an embedded server that holds it, and
// changes to make in it. For tests alone.
package zonetest
