// Package webapi is what providers with a web interface have in common: an HTTP client that waits
// when it is asked to, JSON calls with errors for administrators, and backends (zone.Backend) over
// interfaces that deal in whole RRsets, in single records with ids, or that are libdns modules.
//
// It knows no provider by name; where their interfaces are and how they name things is in their own
// folders.
package webapi
