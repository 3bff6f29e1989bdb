# The first process of the node. It runs in new mount and process namespaces: whatever is mounted from
# here on is seen by no one else, and is gone when the last process is. Arguments: program, then folders to keep.
set -e
pause=$1; shift
mount -t proc proc /proc
mount --make-rshared /
# Programs of a node have fixed places for sockets and caches. They get empty ones, not the host's.
exec 3<"$1" 4<"$2"
for hidden in /run /var/lib /var/log; do
  mount -t tmpfs -o mode=755 tmpfs "$hidden"
done
n=3
for kept in "$@"; do
  mkdir -p "$kept"
  mount --no-canonicalize --bind "/proc/self/fd/$n" "$kept"
  n=$((n + 1))
done
exec 3<&- 4<&-
exec "$pause"
