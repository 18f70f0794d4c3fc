// Package record is DNS records as text: their canonical form, their spellings at providers and in
// zone files, and which records of an RRset belong to a key of the plan.
//
// It is pure: it asks no server, and knows no provider and no plan. What canonical text is, package
// mail says.
package record
