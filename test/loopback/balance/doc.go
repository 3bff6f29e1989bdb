// Package balance is one address on loopback before several others, which may change: each connection goes to the next one that
// accepts it. It passes bytes and knows nothing of what they are. Connections that are there stay where they are.
package balance
