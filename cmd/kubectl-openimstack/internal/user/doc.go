// Package user is the command user of the plugin, which acts as an administrator of the gateway: it issues enrolment codes.
package user
