// Command plugin builds the archives of kubectl-openimstack, and the manifest by which krew installs the plugin. It writes to one folder
// only and publishes nothing. The same sources give the same bytes.
package main
