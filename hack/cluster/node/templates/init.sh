# The first process of the node. It runs in new mount and process namespaces: later mounts are
# invisible outside, and vanish with the last process. Arguments: program, then two folders to keep.
# -n prevents mount(8) from writing to the host's /run.
set -e
pause=$1; shift
mount -n -t proc proc /proc
mount -n --make-rshared /
# Programs of a node use fixed folders for sockets and caches. They get empty folders instead of the host's.
exec 3<"$1" 4<"$2"
for hidden in /run /var/lib /var/log; do
  mount -n -t tmpfs -o mode=755 tmpfs "$hidden"
done
n=3
for kept in "$@"; do
  mkdir -p "$kept"
  mount -n --no-canonicalize --bind "/proc/self/fd/$n" "$kept"
  n=$((n + 1))
done
exec 3<&- 4<&-
exec "$pause"
