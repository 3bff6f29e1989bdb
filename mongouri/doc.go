// Package mongouri adds options to connection strings of MongoDB, and reads what they say of hosts, database and TLS, as MongoDB's Go
// driver reads it: another reading would judge another string than the one that is used. It is pure, opens no file and quotes no
// part of a string: connection strings hold passwords.
//
// Source of the form: https://www.mongodb.com/docs/manual/reference/connection-string/
package mongouri
