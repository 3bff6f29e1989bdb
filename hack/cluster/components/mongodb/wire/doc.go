// Package wire reads and writes messages of MongoDB's wire protocol: OP_MSG, and the OP_QUERY by which old drivers say
// hello.
//
// It touches only the readers and writers that it is given. It holds no message larger than MongoDB allows, and no more of
// one in memory than has arrived.
package wire
