// Package absent is the reason of this module: the types and functions of github.com/go-acme/lego/v5 (v5.4.1) that Traefik compiles with,
// without what they do. Traefik obtains certificates by them, which no test does, and the real module needs the libraries of some 180
// providers of DNS: most of the time that Traefik's compilation took, and several of them are not on the module proxy. Every call that
// would have an effect fails.
package absent

import "errors"

// Err is the result of every call.
var Err = errors.New("this Traefik obtains no certificates: it was compiled without lego, for tests of routing alone")
