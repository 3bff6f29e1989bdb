// Package wire reads and writes messages of MongoDB's wire protocol: OP_MSG, and the OP_QUERY with which old drivers send hello.
//
// It uses only the given readers and writers. It accepts no message larger than MongoDB allows, and holds no more of a message in memory
// than has arrived.
package wire
