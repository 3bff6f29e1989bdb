// Package apiserverlog reads the API server's audit log: users, objects and times of writes. The suite counts writes there, because the
// log contains all of them.
package apiserverlog
