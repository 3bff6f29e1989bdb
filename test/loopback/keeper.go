package loopback

import (
	"context"

	"github.com/openimstack/openim-operator/controllers/openim"
	"github.com/openimstack/openim-operator/test/loopback/place"
)

// Place tells clients where things are. Control is left for place.Serve.
func (s *Stack) Place() place.Place {
	return place.Place{API: s.OpenIM.URL, Socket: s.SocketURL, Admin: s.OpenIM.URL}
}

// AdminToken is OpenIM's administrator's.
func (s *Stack) AdminToken(context.Context) (string, error) { return s.OpenIM.Token, nil }

// RestartDoor restarts what holds the users' sockets.
func (s *Stack) RestartDoor(ctx context.Context) error {
	return s.Restart(ctx, string(openim.MsgGateway))
}
