// Package chat is the command chat of the plugin: it enrols a device of its own with a code, logs in, and sends and receives the messages
// of two users in a terminal, through the gateway.
package chat
