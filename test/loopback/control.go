package loopback

import (
	"context"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback/endpoints"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Endpoints returns the stack's endpoints, without Control, which endpoints.Serve provides.
func (s *Stack) Endpoints() endpoints.Endpoints {
	files := ""
	if s.options.Files {
		files = s.FilesURL()
	}
	if s.Frontend == nil {
		return endpoints.Endpoints{API: s.OpenIM.URL, Socket: s.SocketURL, Admin: s.OpenIM.URL, Files: files}
	}
	return endpoints.Endpoints{
		Files: files,
		API:   s.Frontend.URL + wire.UserPrefix, Socket: s.Frontend.SocketURL(), Admin: s.Frontend.Gateways[0].Admins + wire.AdminPrefix,
		Gateway: s.Frontend.URL,
	}
}

// AdminToken returns a token for Endpoints().Admin.
func (s *Stack) AdminToken(context.Context) (string, error) {
	if s.Frontend == nil {
		return s.OpenIM.Token, nil
	}
	return s.Frontend.AdminToken()
}

// RestartSocketServer restarts the processes that hold the users' sockets: all gateways in turn, or OpenIM's msggateway.
func (s *Stack) RestartSocketServer(ctx context.Context) error {
	if s.Frontend == nil {
		return s.Restart(ctx, string(openim.MsgGateway))
	}
	for _, gateway := range s.Frontend.Gateways {
		if err := s.Restart(ctx, gateway.Name); err != nil {
			return err
		}
	}
	return nil
}
