package api

import "errors"

// Errors with a status of their own.
var (
	errForbidden   = errors.New("your role does not allow this")
	errNoLogin     = errors.New("a token is needed: Authorization: Bearer TOKEN")
	errNoMatch     = errors.New("If-Match is missing, want the version that you read, or * for whatever is there")
	errCrossOrigin = errors.New("the request comes from another site's page")
)
