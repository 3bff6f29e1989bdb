// Package backend is the adapter behind the gateway: it verifies the credential of whoever the gateway calls for, asks the
// route table whether they may, and calls OpenIM, for users with their own token and else as its administrator. Users log in
// here: it makes sessions, tickets and enrolment codes.
//
// It is the only role that holds OpenIM's secret, the login's static keys and the custody key. It is reached from the gateway
// alone. An assertion for each single request says that it is the gateway's; who the caller is, the gateway's word does not decide.
package backend
