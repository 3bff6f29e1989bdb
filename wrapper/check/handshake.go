package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// handshakes opens WebSockets with tokens that msggateway must refuse before the upgrade, with an errCode of tokens: by it alone the relay
// knows that it needs another token (websocket.DialOpenIM).
func handshakes(ctx context.Context, socket string) []Finding {
	findings := make([]Finding, len(badTokens))
	for i, bad := range badTokens {
		findings[i] = found(fmt.Sprintf("refused handshake %d", i+1), handshake(ctx, socket, bad))
	}
	return findings
}

func handshake(ctx context.Context, socket, token string) error {
	conn, err := websocket.DialOpenIM(ctx, socket, ids.CheckReceiver, 1, token, frame.Encoding{})
	if err == nil {
		_ = conn.CloseNow()
		return errors.New("connecting to msggateway: it accepts a token that is not valid")
	}
	code, refused := websocket.RefusalOf(err)
	switch {
	case !refused:
		return err
	case !wire.IsTokenError(code):
		return fmt.Errorf("connecting to msggateway: errCode %d, not %d to %d", code, wire.CodeTokenExpired, wire.CodeTokenNotExist)
	}
	return nil
}
