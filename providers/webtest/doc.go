// Package webtest is what the stand-ins for providers with a web interface have in common: a zone of
// RRsets or of single records that refuses what any name server refuses, and the harness of
// package providertest over it. For tests alone.
package webtest
