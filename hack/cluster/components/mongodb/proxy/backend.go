package proxy

import (
	"context"
	"fmt"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/wire"
)

// backend is one connection to FerretDB, used by one client connection.
type backend struct {
	conn net.Conn
	next int32 // request ID of the proxy's next own command
}

// forward sends a message unchanged and reads the reply.
func (b *backend) forward(ctx context.Context, raw []byte, requestID int32) (wire.Message, error) {
	deadline, ok := ctx.Deadline()
	if latest := time.Now().Add(commandTimeout); !ok || latest.Before(deadline) {
		deadline = latest
	}
	if err := b.conn.SetDeadline(deadline); err != nil {
		return wire.Message{}, err
	}
	if _, err := b.conn.Write(raw); err != nil {
		return wire.Message{}, fmt.Errorf("sending a command to FerretDB: %w", err)
	}
	reply, err := wire.Read(b.conn, nil)
	if err != nil {
		return wire.Message{}, fmt.Errorf("reading FerretDB's reply: %w", err)
	}
	if reply.ResponseTo != requestID {
		return wire.Message{}, fmt.Errorf("FerretDB answered request %d instead of %d", reply.ResponseTo, requestID)
	}
	return reply, nil
}

// do executes one command of the proxy itself. A reply with ok: 0 is returned as a *fault.Error.
func (b *backend) do(ctx context.Context, cmd bson.D) (bson.Raw, error) {
	doc, err := bson.Marshal(cmd)
	if err != nil {
		return nil, err
	}
	b.next++
	reply, err := b.forward(ctx, wire.Msg(b.next, 0, doc), b.next)
	if err != nil {
		return nil, err
	}
	if reply.Op != wiremessage.OpMsg {
		return nil, fmt.Errorf("FerretDB answered with %s instead of OP_MSG", reply.Op)
	}
	answer, err := wire.ParseMsg(reply.Body())
	if err != nil {
		return nil, err
	}

	var status struct {
		OK       float64 `bson:"ok"`
		Code     int32   `bson:"code"`
		CodeName string  `bson:"codeName"`
		Message  string  `bson:"errmsg"`
	}
	if err := bson.Unmarshal(answer.Body, &status); err != nil {
		return nil, err
	}
	if status.OK != 1 {
		return nil, &fault.Error{Code: status.Code, Name: status.CodeName, Message: status.Message}
	}
	return answer.Body, nil
}
