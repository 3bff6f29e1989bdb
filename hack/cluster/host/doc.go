// Package host looks at the machine that a local cluster runs on, and prepares it: is it Linux and
// are we root, which programs are missing (installed with apt-get where there is one), which cgroup
// version is there, and what has a cluster left behind.
//
// It installs packages only when a program is missing, and lets none of them start a service.
// It removes only what carries the cluster's own mark, name or folder.
package host
