package websocket

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Subprotocols of the login by ticket. The server selects the first; the second contains the ticket and is never repeated.
const (
	Subprotocol  = "openim.v1"
	ticketPrefix = "ticket."
)

// maxQuery limits the query before it is parsed. maxParam limits each value but operationID.
const (
	maxQuery = wire.MaxOperationIDBytes + 8<<10
	maxParam = 4 << 10
)

// fitsParam reports whether a value is within the limit of its parameter.
func fitsParam(name, value string) bool {
	if name == paramOperation {
		return len(value) <= wire.MaxOperationIDBytes
	}
	return len(value) <= maxParam || name == paramPacked
}

// Parameters of the query, as in OpenIM (internal/msggateway/constant.go).
const (
	paramUser        = "sendID"
	paramToken       = "token"
	paramPlatform    = "platformID"
	paramOperation   = "operationID"
	paramBackground  = "isBackground"
	paramCompression = "compression"
	paramSDK         = "sdkType"
	paramMsgResp     = "isMsgResp"
	paramVersion     = "sdkVersion" // of releases after v3.8.3-patch.16; ignored
	paramPacked      = "v"          // all parameters as JSON, from v3.8.3-patch.14 on
)

const (
	sdkGo    = "go"
	sdkJS    = "js"
	withGzip = "gzip"
)

// connectParams holds the parameters of an upgrade request. They are the client's claims.
type connectParams struct {
	userID      string // empty with a ticket: the ticket's user
	platformID  int32
	token       string
	ticket      string
	operationID string
	background  bool
	msgResp     bool // requests the envelope as the first text frame
	encoding    frame.Encoding
	native      bool
}

var errParams = errors.New("the query of the connection is malformed: see docs/websocket.md")

// readConnect parses the upgrade request. msgResp is valid even if there is an error.
func readConnect(r *http.Request) (connectParams, error) {
	var c connectParams
	if len(r.URL.RawQuery) > maxQuery {
		return c, errParams
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return c, errParams
	}
	params := make(map[string]string, len(query))
	for name, values := range query {
		if len(values) != 1 || !fitsParam(name, values[0]) {
			return c, errParams
		}
		params[name] = values[0]
	}
	// SDKs of mini programs and browsers read the first text frame. msgResp is parsed first, because the reply to an error depends on it.
	c.msgResp, _ = strconv.ParseBool(params[paramMsgResp])
	if packed, there := params[paramPacked]; there {
		if len(params) != 1 {
			return c, errParams
		}
		if params, err = unpack(packed); err != nil {
			return c, err
		}
		c.msgResp, _ = strconv.ParseBool(params[paramMsgResp])
	}
	if params[paramCompression] == "" && len(r.Header.Values(paramCompression)) == 1 {
		params[paramCompression] = r.Header.Get(paramCompression)
	}
	if err := c.setParams(params); err != nil {
		return c, err
	}
	return c, c.setProtocols(r.Header.Values("Sec-WebSocket-Protocol"))
}

func (c *connectParams) setParams(params map[string]string) error {
	for name, value := range params {
		var err error
		switch name {
		case paramUser:
			c.userID = value
		case paramToken:
			c.token = value
		case paramOperation:
			c.operationID = value
			if strings.ContainsFunc(value, unicode.IsControl) {
				err = errParams
			}
		case paramPlatform:
			var n int64
			n, err = strconv.ParseInt(value, 10, 8)
			c.platformID = int32(n)
		case paramBackground:
			c.background, err = strconv.ParseBool(value)
		case paramMsgResp:
			_, err = strconv.ParseBool(value)
		case paramCompression:
			c.encoding.Gzip = value == withGzip
			if value != "" && value != withGzip {
				err = errParams
			}
		case paramSDK:
			c.encoding.JSON = value == sdkJS
			if value != "" && value != sdkGo && value != sdkJS {
				err = errParams
			}
		case paramVersion:
		default:
			err = errParams
		}
		if err != nil {
			return errParams
		}
	}
	return nil
}

// packedNames maps the members of v= to parameters. The user's member has another name there.
var packedNames = map[string]string{
	"token": paramToken, "userID": paramUser, "platformID": paramPlatform, "operationID": paramOperation,
	"compression": paramCompression, "sdkType": paramSDK, "sendResponse": paramMsgResp, "background": paramBackground,
	"sdkVersion": paramVersion,
}

// unpack decodes v=: a JSON object in base64url without padding.
func unpack(v string) (map[string]string, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(v)
	if err != nil {
		return nil, errParams
	}
	object, err := wire.DecodeObject(text)
	if err != nil {
		return nil, errParams
	}
	params := make(map[string]string, len(object))
	for name, value := range object {
		param, known := packedNames[name]
		if !known {
			return nil, errParams
		}
		switch value := value.(type) {
		case string:
			if param == paramPlatform || param == paramMsgResp || param == paramBackground || !fitsParam(param, value) {
				return nil, errParams
			}
			params[param] = value
		case bool:
			if param != paramMsgResp && param != paramBackground {
				return nil, errParams
			}
			params[param] = strconv.FormatBool(value)
		case int64:
			if param != paramPlatform {
				return nil, errParams
			}
			params[param] = strconv.FormatInt(value, 10)
		default:
			return nil, errParams
		}
	}
	return params, nil
}

// setProtocols parses the subprotocols. A ticket together with a token is refused, because only one of them would be checked.
func (c *connectParams) setProtocols(headers []string) error {
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name := strings.TrimSpace(part)
		if name == Subprotocol {
			c.native = true
		}
		ticket, is := strings.CutPrefix(name, ticketPrefix)
		if !is {
			continue
		}
		if c.ticket != "" || ticket == "" || len(ticket) > maxParam {
			return errParams
		}
		c.ticket = ticket
	}
	if c.ticket != "" && (!c.native || c.token != "") {
		return errParams
	}
	if c.ticket == "" && (c.token == "" || c.userID == "" || c.platformID == 0) {
		return errParams
	}
	return nil
}

// matches reports whether the client named the user and platform of the session. With a ticket both are optional.
func (c *connectParams) matches(id Identity) bool {
	if c.ticket != "" {
		return (c.userID == "" || c.userID == id.UserID) && (c.platformID == 0 || c.platformID == id.PlatformID)
	}
	return c.userID == id.UserID && c.platformID == id.PlatformID
}

// isUpgrade reports whether a request is a WebSocket upgrade (RFC 6455, section 4.2.1).
func isUpgrade(r *http.Request) bool {
	has := func(name, want string) bool {
		return slices.ContainsFunc(strings.Split(strings.Join(r.Header.Values(name), ","), ","), func(s string) bool {
			return strings.EqualFold(strings.TrimSpace(s), want)
		})
	}
	return r.Method == http.MethodGet && r.ProtoAtLeast(1, 1) && r.ProtoMajor == 1 && has("Connection", "upgrade") &&
		has("Upgrade", "websocket")
}
