// Command mongodb is the stand-in for MongoDB in development and test clusters: FerretDB v1 on SQLite as a child process, and in front of
// it a proxy that answers the commands that FerretDB lacks.
//
// It listens on --listen, writes below --data-dir (SQLite files and FerretDB's socket) and runs one child process. It never exposes
// FerretDB's socket, and ends when FerretDB ends, so that its supervisor restarts both. Production uses a real MongoDB.
package main
