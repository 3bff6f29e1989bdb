// Package bundle is the command that collects what somebody who helps with a stack asks for, in one archive.
//
// What could hold a secret or a message is left out where it is read, not searched for afterwards: Secrets are never read, environment
// variables and annotations of others are dropped, and of OpenIM's own logs only the supervisor's lines are kept. Patterns of credentials
// are replaced in everything that remains. The archive lists what was left out, and why.
package bundle
