// Package etcdtest runs a real etcd for a test, on free ports of the loopback interface, until the test ends. Only tests import it.
package etcdtest
