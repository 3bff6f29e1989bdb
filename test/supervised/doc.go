// Package supervised runs the real OpenIM under the supervisor while etcd fails.
package supervised
