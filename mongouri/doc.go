// Package mongouri adds options to connection strings of MongoDB, and reads what they say of TLS. It is pure, opens no file and quotes no
// part of a string: connection strings hold passwords.
//
// Source of the form: https://www.mongodb.com/docs/manual/reference/connection-string/
package mongouri
