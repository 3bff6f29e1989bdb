package redisdb

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// replies are the first words of errors that Redis answers, and what they stand for.
var replies = []struct {
	prefix string
	reason termination.StoreReason
}{
	{"WRONGPASS", termination.AuthenticationFailed},
	{"NOAUTH", termination.AuthenticationFailed},
	{"ERR invalid password", termination.AuthenticationFailed},
	{"ERR AUTH", termination.AuthenticationFailed},
	{"ERR Client sent AUTH", termination.AuthenticationFailed},
	{"NOPERM", termination.PermissionDenied},
	{"DENIED", termination.PermissionDenied},
	{"READONLY", termination.WrongMode},
	{"ERR SELECT is not allowed in cluster mode", termination.WrongMode},
	{"ERR DB index", termination.WrongMode},
	{"ERR This instance has cluster support disabled", termination.WrongMode},
	{"LOADING", termination.Loading},
}

// Reason returns why Redis cannot be used, from the error of a command.
func Reason(err error) termination.StoreReason {
	if _, ok := errors.AsType[redis.Error](err); ok {
		for _, r := range replies {
			if strings.Contains(err.Error(), r.prefix) {
				return r.reason
			}
		}
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	if certificate || record {
		return termination.TLSRequired
	}
	return termination.Unreachable
}
