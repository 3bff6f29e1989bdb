// Package host inspects and prepares the machine that a local cluster runs on: operating system and user, missing programs (installed
// with apt-get where available), the cgroup version, and anything that a cluster has left behind.
//
// It installs packages only when a program is missing, and prevents them from starting services. It removes only objects with the
// cluster's own mark, name or folder.
package host
