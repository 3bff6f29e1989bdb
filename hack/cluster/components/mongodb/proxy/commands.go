package proxy

import "context"

// command says what becomes of a command. Those not in the table are refused.
type command struct {
	// handle carries the command out; nil means that FerretDB does, with the message as it came.
	handle func(*session, context.Context, request) ([]byte, error)
	// writes says that no other write may go into the same collection meanwhile.
	writes bool
	// greets says that the command may also come as an OP_QUERY.
	greets bool
}

// commands is the table of what is answered, and by whom.
var commands map[string]command

func init() { // its functions read the table
	commands = map[string]command{
		"aggregate":     {handle: (*session).aggregate},
		"createIndexes": {handle: (*session).createIndexes, writes: true},
		"find":          {handle: (*session).find},
		"findAndModify": {handle: (*session).findAndModify, writes: true},
		"findandmodify": {handle: (*session).findAndModify, writes: true},
		"getMore":       {handle: (*session).getMore},
		"killCursors":   {handle: (*session).killCursors},
		"endSessions":   {handle: (*session).endSessions},

		"create":      {writes: true},
		"delete":      {writes: true},
		"drop":        {writes: true},
		"dropIndexes": {writes: true},
		"insert":      {writes: true},
		"update":      {writes: true},

		"buildInfo":        {},
		"buildinfo":        {},
		"collStats":        {},
		"connectionStatus": {},
		"count":            {},
		"dbStats":          {},
		"distinct":         {},
		"dropDatabase":     {},
		"getParameter":     {},
		"hello":            {greets: true},
		"hostInfo":         {},
		"isMaster":         {greets: true},
		"ismaster":         {greets: true},
		"listCollections":  {},
		"listDatabases":    {},
		"listIndexes":      {},
		"ping":             {},
		"serverStatus":     {},
		"whatsmyuri":       {},
	}
}
