// Package socket opens a session's WebSocket at the gateway, and sends and receives messages over it: for programs that need no official
// OpenIM SDK.
//
// A socket is opened with a ticket of client.Session.Ticket, once for each socket. Requests and replies are OpenIM's own, in
// JSON; Socket.Do sends any of them. The gateway checks each request as it does those of an SDK.
//
// A socket ends when its session does, when its replica of the gateway stops, and when the network breaks. Open another one with a new
// ticket, and pull what was sent meanwhile with Socket.NewestSeq and Socket.Range: pushes are not repeated.
package socket
