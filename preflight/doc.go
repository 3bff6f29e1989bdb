// Package preflight checks the stores of one of OpenIM's processes before the process starts.
//
// It is the program of the init container "prepare" in the pod that will use the stores: the pod's labels, policies and credentials are
// those of the process itself. First the container copies the supervisor to the shared volume, then it tries all stores at once:
//
//	/preflight --install=/run/supervisor/supervisor --stores=etcd,redis,mongodb --config=/etc/openim --attempts=/run/supervisor/attempts
//
// Addresses, database, topics and bucket are read from the configuration files that OpenIM reads, user names and passwords from the
// IMENV_* variables that override them: the container needs the same volume mount of the configuration and the same environment as the
// process. What OpenIM would connect to is what is checked, and the command line has no address.
//
//	--install=PATH      copies the supervisor to PATH, mode 0555, by renaming a complete copy
//	--supervisor=PATH   the file to copy; default /supervisor
//	--stores=LIST       stores to check: etcd, redis, mongodb, kafka, object-storage; object-storage without a bucket in minio.yml is
//	                    not checked. Without stores nothing is checked
//	--config=PATH       the folder of the configuration files; default /etc/openim
//	--attempts=PATH     the file that counts the attempts, in a volume that outlives the container
//
// A check that fails ends the container with exit code 1 and a termination message. A message is composed of fixed texts: no text of a
// server, no address and no credential is in it. Nothing is written to a store.
package preflight
