// Package sdk runs the official Go SDK of OpenIM, github.com/openimsdk/openim-sdk-core, with a real OpenIM. The SDK is unmodified; only the
// two addresses that every app sets are configured.
//
// The suite reads OpenIM's addresses from its environment (package endpoints) and is the same with and without the wrapper. Several users run
// in one process, each with an SDK and a local database. The assertions are on the SDK's interface for apps: callbacks, lists, errors.
//
// The suite uses the network and writes below temporary folders. It needs cgo: the SDK keeps its database in SQLite.
package sdk
