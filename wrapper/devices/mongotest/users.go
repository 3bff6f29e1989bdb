package mongotest

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Users is a MongoDB that knows users, whether they may write, and whether it is the primary, and nothing else: the stand-in for MongoDB
// has no users.
type Users struct {
	Address string
	// Secondary makes the server no primary.
	Secondary atomic.Bool
	// Deletions counts the commands that were permitted.
	Deletions atomic.Int32
}

// mayWrite has the users and whether they may write. All have the same password.
var mayWrite = map[string]bool{"openim": true, "reader": false}

// UsersPassword is the password of the users openim and reader.
const UsersPassword = "right"

// StartUsers starts the server until the test ends.
func StartUsers(t testing.TB) *Users {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	m := &Users{Address: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_ = (&session{mongo: m, conn: conn}).serve()
			}()
		}
	}()
	return m
}

// session is one connection.
type session struct {
	mongo *Users
	conn  net.Conn
	login *scram.ServerConversation
	name  string
	user  string // after the login
}

const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

func (s *session) serve() error {
	for {
		var header struct{ Length, ID, To, Code int32 }
		if err := binary.Read(s.conn, binary.LittleEndian, &header); err != nil {
			return err
		}
		body := make([]byte, min(max(header.Length-16, 0), 1<<20))
		if _, err := io.ReadFull(s.conn, body); err != nil {
			return err
		}
		var command bson.Raw
		if header.Code == opMsg {
			command = bson.Raw(body[5:]) // after flags and the kind of the section
		} else {
			end := 4
			for body[end] != 0 {
				end++
			}
			command = bson.Raw(body[end+1+8:]) // after the name of the collection and two numbers
		}
		reply, err := bson.Marshal(s.answer(command))
		if err != nil {
			return err
		}
		prefix := make([]byte, 20)
		code := int32(opReply)
		if header.Code == opMsg {
			prefix, code = make([]byte, 5), opMsg
		} else {
			binary.LittleEndian.PutUint32(prefix[16:], 1)
		}
		head := []int32{int32(16 + len(prefix) + len(reply)), 1, header.ID, code} //nolint:gosec // a few hundred bytes
		if err := binary.Write(s.conn, binary.LittleEndian, head); err != nil {
			return err
		}
		if _, err := s.conn.Write(slices.Concat(prefix, reply)); err != nil {
			return err
		}
	}
}

func (s *session) answer(command bson.Raw) bson.D {
	elements, err := command.Elements()
	if err != nil || len(elements) == 0 {
		return refusal(2, "BadValue")
	}
	switch elements[0].Key() {
	case "hello", "isMaster", "ismaster":
		reply := bson.D{
			{Key: "helloOk", Value: true}, {Key: "ismaster", Value: !s.mongo.Secondary.Load()},
			{Key: "isWritablePrimary", Value: !s.mongo.Secondary.Load()},
			{Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48000000}, {Key: "maxWriteBatchSize", Value: 100000},
			{Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21}, {Key: "ok", Value: 1.0},
		}
		if s.mongo.Secondary.Load() {
			reply = append(reply, bson.E{Key: "secondary", Value: true}, bson.E{Key: "setName", Value: "rs0"},
				bson.E{Key: "hosts", Value: bson.A{s.mongo.Address}}, bson.E{Key: "me", Value: s.mongo.Address})
		}
		if _, err := command.LookupErr("saslSupportedMechs"); err == nil {
			reply = append(reply, bson.E{Key: "saslSupportedMechs", Value: bson.A{"SCRAM-SHA-256"}})
		}
		return reply
	case "saslStart":
		s.login = scramServer(&s.name).NewConversation()
		return s.step(command)
	case "saslContinue":
		return s.step(command)
	case "ping":
		return bson.D{{Key: "ok", Value: 1.0}}
	case "delete", "createIndexes":
		if !mayWrite[s.user] {
			return refusal(13, "Unauthorized")
		}
		s.mongo.Deletions.Add(1)
		return bson.D{{Key: "n", Value: 0}, {Key: "ok", Value: 1.0}}
	case "endSessions":
		return bson.D{{Key: "ok", Value: 1.0}}
	}
	return refusal(59, "CommandNotFound")
}

func (s *session) step(command bson.Raw) bson.D {
	if s.login == nil {
		return refusal(17, "ProtocolError")
	}
	_, payload := command.Lookup("payload").Binary()
	answer, err := s.login.Step(string(payload))
	if err != nil {
		return refusal(18, "AuthenticationFailed")
	}
	if s.login.Valid() {
		s.user = s.name
	}
	return bson.D{
		{Key: "conversationId", Value: 1}, {Key: "done", Value: s.login.Done()},
		{Key: "payload", Value: bson.Binary{Data: []byte(answer)}}, {Key: "ok", Value: 1.0},
	}
}

// scramServer writes the name of the user who logs in to name.
func scramServer(name *string) *scram.Server {
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		if _, known := mayWrite[user]; !known {
			return scram.StoredCredentials{}, io.EOF
		}
		*name = user
		client, err := scram.SHA256.NewClient(user, UsersPassword, "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of this test", Iters: 4096})
	})
	if err != nil {
		panic(err)
	}
	return server
}

func refusal(code int, name string) bson.D {
	return bson.D{
		{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: "sesame text of the server"},
	}
}
