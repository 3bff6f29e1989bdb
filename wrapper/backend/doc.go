// Package backend is the adapter between the gateway and OpenIM. It verifies the credential of the caller for whom the gateway calls,
// checks the route table, and calls OpenIM: for users with their own token, otherwise as OpenIM's administrator. It also runs the
// users' login and creates sessions, tickets and enrolment codes.
//
// It is the only role that holds OpenIM's secret, the login's static keys and the custody key. Only the gateway may reach it. An
// assertion for each single request proves that the request is the gateway's. The assertion never decides who the caller is: the
// caller's own credential does.
package backend
