// Package backend is the adapter behind the gateway: it takes the gateway's word for who calls (and nobody
// else's), asks the route table whether they may, and calls OpenIM as its administrator.
//
// It is the only role that holds OpenIM's secret. It is reached from the gateway alone, and trusts it no further than an
// assertion for each single request.
package backend
