// Package upstream sends requests to the next process inside the cluster: gateway to backend, backend to OpenIM.
//
// It follows no redirect, asks no proxy and keeps no cookie, each of which could carry a credential elsewhere; it
// bounds connections, headers and bodies; and it tells whether a request that failed may have been carried out.
// Its errors hold no address, header or body.
package upstream
