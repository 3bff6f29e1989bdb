// Package sdk holds the official Go SDK of OpenIM, github.com/openimsdk/openim-sdk-core, to a real OpenIM: as it comes, with nothing of it
// changed, replaced or configured but the two addresses that every app gives it.
//
// The suite finds OpenIM by its environment (package endpoints) and does the same whether the wrapper stands before it or not.
// Several users live in one process, each with an SDK and a local database of its own. What is asserted is what the SDK tells an app:
// its callbacks, its lists, its errors.
//
// The suite speaks to the network and writes below temporary folders. It needs cgo: the SDK keeps its database in SQLite.
package sdk
