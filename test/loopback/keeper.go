package loopback

import (
	"context"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback/place"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Place tells clients where things are. Control is left for place.Serve.
func (s *Stack) Place() place.Place {
	if s.Door == nil {
		return place.Place{API: s.OpenIM.URL, Socket: s.SocketURL, Admin: s.OpenIM.URL}
	}
	return place.Place{
		API: s.Door.URL + wire.UserPrefix, Socket: s.Door.SocketURL(), Admin: s.Door.Gateways[0].Admins + wire.AdminPrefix,
		Door: s.Door.URL,
	}
}

// AdminToken is for Place().Admin.
func (s *Stack) AdminToken(context.Context) (string, error) {
	if s.Door == nil {
		return s.OpenIM.Token, nil
	}
	return s.Door.AdminToken()
}

// RestartDoor restarts what holds the users' sockets: all gateways, one after the other, or OpenIM's own.
func (s *Stack) RestartDoor(ctx context.Context) error {
	if s.Door == nil {
		return s.Restart(ctx, string(openim.MsgGateway))
	}
	for _, gateway := range s.Door.Gateways {
		if err := s.Restart(ctx, gateway.Name); err != nil {
			return err
		}
	}
	return nil
}
