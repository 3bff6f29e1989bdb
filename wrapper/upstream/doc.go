// Package upstream sends requests to the next process inside the cluster: gateway to backend, backend to OpenIM.
//
// It follows no redirect, uses no proxy and stores no cookie, because each of them could send a credential to another server. It
// limits connections, headers and bodies. Its errors say whether a failed request may have been executed, and contain no
// address, header or body. It has its own connections, on each of which the goroutine of a request writes the request and reads
// the reply, by the parser of net/http.
package upstream
