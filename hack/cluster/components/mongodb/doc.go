// Command mongodb is the stand-in for MongoDB on clusters made for trying and testing: FerretDB v1 on SQLite as a child
// process, and in front of it a proxy that answers the commands which FerretDB lacks.
//
// It may listen on --listen, write below --data-dir (SQLite files and the socket on which FerretDB listens) and run one
// child. It never serves FerretDB's own socket to anybody else, and ends when FerretDB ends, so that whoever runs it
// starts both again. Real deployments name their own MongoDB.
package main
