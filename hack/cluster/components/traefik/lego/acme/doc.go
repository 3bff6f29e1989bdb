// Package acme holds accounts of an ACME server.
package acme

// Account of an ACME server.
type Account struct {
	Status string `json:"status,omitempty"`
}

// ExtendedAccount is an account with its URL.
type ExtendedAccount struct {
	Account

	Location string `json:"-"`
}
