// Command plugin builds the archives of kubectl-openimstack and the manifest by which krew installs it. It writes to one folder and
// nowhere else, and publishes nothing. The same sources make the same bytes.
package main
