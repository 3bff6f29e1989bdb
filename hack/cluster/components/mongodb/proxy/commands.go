package proxy

import "context"

// command describes how a command is handled. Commands that are not in the table are refused.
type command struct {
	// handle executes the command; nil forwards the message unchanged to FerretDB.
	handle func(*session, context.Context, request) ([]byte, error)
	// writes marks commands during which no other write may go to the same collection.
	writes bool
	// greets marks commands that may also arrive as an OP_QUERY.
	greets bool
}

// commands is the table of supported commands.
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
